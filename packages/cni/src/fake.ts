import type { Family } from "@fairlead/ipam";
import type { Attachment, AttachmentKey, AttachmentStore } from "./attachment.ts";
import type { CniComponents, Identity, PodAnnotator, Workload } from "./components.ts";
import { openStatusFiles } from "./endpoint-status.ts";
import { CniError } from "./error.ts";
import { createFakeAddresses } from "./fake-addresses.ts";
import { createFakeEndpoints } from "./fake-endpoints.ts";
import { createFakeWiring } from "./fake-wiring.ts";

export { createFakeAddresses, type FakeAddresses } from "./fake-addresses.ts";
export { createFakeEndpoints, type FakeEndpoints } from "./fake-endpoints.ts";
export { createFakeWiring, type FakeWiring } from "./fake-wiring.ts";

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
      mayLack: () => false,
      leave: (address, vmUid) => void inherited.set(address, vmUid),
      settle: (address) => void inherited.delete(address),
    },
  };
}

/** Components for a test: everything works, pods are those in `workloads` (`namespace/name`). */
export function createFakeComponents(workloads: ReadonlyMap<string, Workload>) {
  const annotator: PodAnnotator = { attached: async () => {}, detached: async () => {} };
  const addresses = createFakeAddresses(workloads);
  const wiring = createFakeWiring();
  const endpoints = createFakeEndpoints();
  const attachments = createFakeAttachments();
  const identity: Identity = {
    async arriving({ namespace, name }) {
      const workload = workloads.get(`${namespace}/${name}`);
      if (workload) return workload;
      throw new CniError("IdentityRefused", `pod ${namespace}/${name} not found`, "was it deleted?");
    },
    async departing({ namespace, name }, attachment) {
      const vm = workloads.get(`${namespace}/${name}`)?.vm ?? attachment?.vm;
      return vm ? { vm: { ...vm, deleting: false } } : {};
    },
  };
  const silent = { info() {}, warn() {}, error() {} };
  return {
    nodeName: "node-1",
    identity,
    addresses,
    poolFamilies: async (): Promise<ReadonlySet<Family>> => new Set([4, 6]),
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
