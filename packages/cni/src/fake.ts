import type { WorkloadAssignment, WorkloadRelease, WorkloadRequest } from "@fairlead/ipam";
import type { Attachment, AttachmentKey, AttachmentStore } from "./attachment.ts";
import type { CniComponents, Endpoints, PodAnnotator, Workload } from "./components.ts";
import { openStatusFiles } from "./endpoint-status.ts";
import { CniError } from "./error.ts";
import type { Absence } from "./lingering.ts";
import type { Wired, Wiring, WiringRequest } from "./wiring.ts";

const keyOf = ({ containerId, ifName }: AttachmentKey) => `${containerId} ${ifName}`;

/** An attachment store that forgets. */
export function createFakeAttachments(): AttachmentStore {
  const known = new Map<string, Attachment>();
  const inherited = new Map<string, string>();
  return {
    get: (key) => known.get(keyOf(key)),
    list: () => [...known.values()],
    put: (attachment) => void known.set(keyOf(attachment), attachment),
    delete: (key) => void known.delete(keyOf(key)),
    inheritance: {
      ownerOf: (address) => inherited.get(address),
      leave: (address, vmUid) => void inherited.set(address, vmUid),
      settle: (address) => void inherited.delete(address),
    },
  };
}

/** A kernel with interfaces only: what `attach` made is in `links`, by host interface. */
export interface FakeWiring extends Wiring {
  readonly links: ReadonlyMap<string, WiringRequest & Wired>;
  /** What `forget` was asked, in order. */
  readonly forgotten: readonly Absence[];
  /** The next call of `attach` throws this. */
  failNext?: Error;
}

/** Interfaces in memory. */
export function createFakeWiring(): FakeWiring {
  const links = new Map<string, WiringRequest & Wired>();
  const forgotten: Absence[] = [];
  let index = 100;
  const fake: FakeWiring = {
    links,
    forgotten,
    async attach(request) {
      const { failNext } = fake;
      delete fake.failNext;
      if (failNext) throw failNext;
      index += 1;
      const wired = { linkIndex: index, mac: request.mac ?? "02:00:00:00:00:01", mtu: request.mtu ?? 1500 };
      links.set(request.hostInterface, { ...request, ...wired });
      return wired;
    },
    async detach(request) {
      for (const [name, link] of links)
        if (name === request.hostInterface || (request.netns !== "" && link.netns === request.netns))
          links.delete(name);
    },
    forget: async (request) => void forgotten.push(request),
    inspect: async (request) =>
      links.has(request.hostInterface) ? [] : [`host interface ${request.hostInterface} is missing`],
  };
  return fake;
}

/** Endpoints whose policy is in force at once, unless `late` holds their pod's name. */
export interface FakeEndpoints extends Endpoints {
  readonly present: ReadonlyMap<string, Attachment>;
  readonly late: Set<string>;
}

/** Endpoints in memory, ready at once unless told otherwise. */
export function createFakeEndpoints(): FakeEndpoints {
  const present = new Map<string, Attachment>();
  const late = new Set<string>();
  const isReady = ({ pod }: Attachment) => !late.has(pod.name);
  return {
    present,
    late,
    isReady,
    add: (attachment) => void present.set(attachment.hostInterface, attachment),
    wired: (attachment) => void present.set(attachment.hostInterface, attachment),
    remove(attachment) {
      if (present.get(attachment.hostInterface)?.containerId === attachment.containerId)
        present.delete(attachment.hostInterface);
    },
    async ready(attachment, signal) {
      if (isReady(attachment)) return;
      await new Promise((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    },
  };
}

/** Hands out 10.244.0.1, fd00:10:244::1 and so on; one pair per VM or container. */
export function createFakeAddresses() {
  const held = new Map<string, number>();
  const released: WorkloadRelease[] = [];
  const handleOf = ({ network, containerId, vm }: WorkloadRequest | WorkloadRelease) =>
    vm ? `${network}.vm.${vm.name}` : `${network}.${containerId}`;
  let next = 0;
  return {
    held: held as ReadonlyMap<string, number>,
    released: released as readonly WorkloadRelease[],
    async assign(request: WorkloadRequest): Promise<WorkloadAssignment> {
      const handle = handleOf(request);
      const reused = held.has(handle);
      const number = held.get(handle) ?? ++next;
      held.set(handle, number);
      const addresses = request.families.map((family) => ({
        family,
        address: family === 4 ? `10.244.0.${number}` : `fd00:10:244::${number.toString(16)}`,
        blockPrefixLength: family === 4 ? 26 : 122,
      }));
      const owner = !request.vm ? "sole" : request.vm.role === "target" ? "alternate" : "active";
      return { handle, reused, addresses, owner };
    },
    async release(request: WorkloadRelease) {
      released.push(request);
      if (!request.vm || request.vm.deleting) held.delete(handleOf(request));
      return { released: [], kept: [] };
    },
  };
}

/** Components for a test: everything works, pods are those in `workloads` (`namespace/name`). */
export function createFakeComponents(workloads: ReadonlyMap<string, Workload>) {
  const annotator: PodAnnotator = { attached: async () => {}, detached: async () => {} };
  const addresses = createFakeAddresses();
  const wiring = createFakeWiring();
  const endpoints = createFakeEndpoints();
  const attachments = createFakeAttachments();
  const silent = { info() {}, warn() {}, error() {} };
  return {
    nodeName: "node-1",
    identity: {
      async arriving({ namespace, name }) {
        const workload = workloads.get(`${namespace}/${name}`);
        if (workload) return workload;
        throw new CniError("IdentityRefused", `pod ${namespace}/${name} not found`, "was it deleted?");
      },
      async departing({ namespace, name }, attachment) {
        const vm = workloads.get(`${namespace}/${name}`)?.vm ?? attachment?.vm;
        return vm ? { vm: { ...vm, deleting: false } } : {};
      },
    },
    addresses,
    wiring,
    endpoints,
    attachments,
    statusFiles: openStatusFiles(() => {}),
    annotator,
    readiness: () => ({ ready: true }),
    readMtu: () => undefined,
    log: silent,
  } satisfies CniComponents;
}
