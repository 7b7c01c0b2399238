import { describe, expect, test } from "vitest";
import type { ClusterFacts, PodFact } from "./facts.ts";
import { createFaultyStore, type StoreFault } from "./faulty-store.ts";
import { createIpam, type Ipam } from "./ipam.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import type { IpamStore } from "./store.ts";
import { findViolations } from "./violations.ts";
import type { WorkloadAssignment, WorkloadRequest } from "./workload-types.ts";

const minute = 60_000;

/** A cluster small enough to be killed at every single call. */
class World {
  now = Date.parse("2026-01-01T00:00:00Z");
  readonly store: MemoryStore = createMemoryStore(() => new Date(this.now));
  readonly pods = new Map<string, PodFact>();
  readonly vms = new Map<string, string>();

  constructor() {
    this.store.load("IPPool", { metadata: { name: "v4" }, spec: { cidr: "10.0.0.0/28", blockSize: 30 } });
    this.store.load("IPPool", { metadata: { name: "v6" }, spec: { cidr: "fd00::/124", blockSize: 126 } });
  }

  /** Where KubeVirt says the guest runs. */
  guestPod: string | undefined;

  readonly facts: ClusterFacts = {
    pod: async (_, name) => this.pods.get(name),
    vm: async (_, name) => {
      const uid = this.vms.get(name);
      return uid === undefined ? undefined : { uid, deleting: false };
    },
    vmi: async (_, name) =>
      this.vms.has(name)
        ? { uid: "vmi-uid", ownerUid: "vm-uid", deleting: false, guestPod: this.guestPod, revision: "7" }
        : undefined,
    node: async () => ({ labels: {} }),
  };

  /** A process: its memory is its own, the store is everybody's. */
  boot(store: IpamStore = this.store): Ipam {
    return createIpam({
      store,
      clock: () => new Date(this.now),
      wait: async () => {},
      random: () => 0.5,
      facts: this.facts,
    });
  }

  async collect() {
    const collector = this.boot().collector({ facts: this.facts, monotonic: () => this.now });
    for (let round = 0; round < 3; round++) {
      await collector.scan();
      this.now += 16 * minute;
    }
  }
}

const request = (name: string, node: string, more: Partial<WorkloadRequest> = {}): WorkloadRequest => ({
  network: "net",
  containerId: `c-${name}`,
  node,
  pod: {
    namespace: "default",
    name,
    uid: `uid-${name}`,
    creationTimestamp: `2026-01-01T00:00:${name.replace(/\D/g, "").padStart(2, "0")}Z`,
  },
  families: [4, 6],
  ...more,
});
const vm = (role: "active" | "target" = "active") => ({
  name: "vm",
  vmUid: "vm-uid",
  vmiUid: "vmi-uid",
  role,
});
const release = (from: WorkloadRequest, deleting = false) => ({
  ...from,
  vm: from.vm && { ...from.vm, deleting },
});
const text = ({ addresses }: WorkloadAssignment) => addresses.map(({ address }) => address).join(" ");

/** A pod object exists as long as its step says so. */
function see(world: World, ...requests: readonly WorkloadRequest[]) {
  world.pods.clear();
  for (const { pod, node } of requests)
    world.pods.set(pod.name, { uid: pod.uid, node, phase: "Running", addresses: [], deleting: false });
}

type Step = (ipam: Ipam, world: World) => Promise<void>;

const podA = request("pod1", "node-0");
const podB = request("pod2", "node-0");
const source = request("virt-launcher-3", "node-0", { vm: vm() });
const target = request("virt-launcher-4", "node-1", { vm: { ...vm("target"), migrationUid: "m" } });
const later = request("virt-launcher-5", "node-2", { vm: vm() });

/** Each scenario is a list of steps, as the container runtime and the migration would call them; each step is retried until it works. */
const scenarios: Record<string, (results: Map<string, string>) => readonly Step[]> = {
  "two pods come and go": (results) => [
    async (ipam, world) => {
      see(world, podA, podB);
      const [a, b] = await Promise.all([ipam.workloads.assign(podA), ipam.workloads.assign(podB)]);
      results.set("a", text(a)).set("b", text(b));
      expect(text(a)).not.toBe(text(b));
    },
    async (ipam) => void (await ipam.workloads.release(release(podA))),
    async (ipam, world) => {
      see(world, podB);
      expect(text(await ipam.workloads.assign(podB))).toBe(results.get("b"));
    },
    async (ipam) => void (await ipam.workloads.release(release(podB))),
  ],
  "pods fill a block, claim another, and borrow": () => [
    async (ipam, world) => {
      const requests = Array.from({ length: 9 }, (_, i) =>
        request(`pod${i + 10}`, i === 8 ? "node-1" : "node-0"),
      );
      see(world, ...requests);
      const got = await Promise.all(requests.map((one) => ipam.workloads.assign(one)));
      expect(new Set(got.map(text)).size).toBe(9);
    },
    async (ipam) => {
      for (let i = 0; i < 9; i++)
        await ipam.workloads.release(release(request(`pod${i + 10}`, i === 8 ? "node-1" : "node-0")));
    },
  ],
  "a VM starts, migrates, restarts and is deleted": (results) => [
    async (ipam, world) => {
      world.vms.set("vm", "vm-uid");
      see(world, source);
      const got = await ipam.workloads.assign(source);
      results.set("vm", text(got));
      expect(got.owner).toBe("active");
    },
    async (ipam, world) => {
      see(world, source, target);
      const got = await ipam.workloads.assign(target);
      expect(text(got)).toBe(results.get("vm"));
    },
    async (ipam, world) => {
      world.guestPod = target.pod.name;
      const vm = { namespace: "default", name: "vm" };
      expect(await ipam.workloads.promote({ network: "net", vm, pod: target.pod })).toBe("owner");
    },
    async (ipam, world) => {
      see(world, target);
      await ipam.workloads.release(release(source));
    },
    async (ipam, world) => {
      see(world);
      await ipam.workloads.release(release(target));
    },
    async (ipam, world) => {
      see(world, later);
      const got = await ipam.workloads.assign(later);
      expect(text(got)).toBe(results.get("vm"));
      expect(got.owner).toBe("active");
    },
    async (ipam, world) => {
      see(world);
      world.vms.clear();
      await ipam.workloads.release(release(later, true));
    },
  ],
  "two pods of one VM ask at once on two nodes": () => [
    async (ipam, world) => {
      world.vms.set("vm", "vm-uid");
      see(world, source, later);
      const other = world.boot();
      const [first, second] = await Promise.allSettled([
        ipam.workloads.assign(source),
        other.workloads.assign(later),
      ]);
      if (second.status === "rejected") throw second.reason;
      if (first.status === "fulfilled") expect(text(first.value)).toBe(text(second.value));
      else if (first.reason.name === "StoreCrash") throw first.reason;
      else expect(first.reason.code).toBe("OwnedByNewerPod");
    },
    async (ipam, world) => {
      see(world);
      world.vms.clear();
      await ipam.workloads.release(release(source, true));
      await ipam.workloads.release(release(later, true));
    },
  ],
};

async function run(
  world: World,
  steps: readonly Step[],
  fault?: (call: { number: number }) => StoreFault | undefined,
) {
  let store = createFaultyStore(world.store, fault ? { fault } : {});
  let ipam = world.boot(store);
  for (const step of steps) {
    for (let attempt = 0; ; attempt++) {
      try {
        await step(ipam, world);
        break;
      } catch (error) {
        if (!store.crashed || attempt > 2) throw error;
        // The next run: a new process with an empty memory.
        expect(await findViolations(world.store)).toEqual([]);
        store = createFaultyStore(world.store);
        ipam = world.boot(store);
      }
    }
    expect(await findViolations(world.store)).toEqual([]);
  }
  return store.calls.length;
}

/** Everything was released: after collection nothing may be left but empty blocks. */
async function expectNothingLeft(world: World) {
  await world.collect();
  expect(await findViolations(world.store, { settled: true })).toEqual([]);
  for (const { spec } of await world.store.list("IPAMBlock")) expect(spec.attributes).toEqual([]);
  expect(await world.store.list("IPAMHandle")).toEqual([]);
}

describe("killed between any two calls, the next run recovers", () => {
  for (const [name, script] of Object.entries(scenarios))
    test(name, async () => {
      const whole = new World();
      const calls = await run(whole, script(new Map()));
      await expectNothingLeft(whole);
      expect(calls).toBeGreaterThan(10);
      for (const fault of ["crash before", "crash after"] as const)
        for (let n = 1; n <= calls; n++) {
          const world = new World();
          await run(world, script(new Map()), (call) => (call.number === n ? fault : undefined)).catch(
            (error) => {
              throw new Error(`${fault} call ${n}: ${error.message}`, { cause: error });
            },
          );
          await expectNothingLeft(world);
        }
    });
});

describe("an answer lost or a conflict at any call changes nothing", () => {
  for (const [name, script] of Object.entries(scenarios))
    test(name, async () => {
      const calls = await run(new World(), script(new Map()));
      for (const fault of ["lose", "conflict"] as const)
        for (let n = 1; n <= calls; n++) {
          const world = new World();
          await run(world, script(new Map()).map(retried), (call) =>
            call.number === n ? fault : undefined,
          ).catch((error) => {
            throw new Error(`${fault} call ${n}: ${error.message}`, { cause: error });
          });
          await expectNothingLeft(world);
        }
    });
});

/** The runtime repeats a call that failed because the outcome is unknown. */
const retried =
  (step: Step): Step =>
  async (ipam, world) => {
    try {
      await step(ipam, world);
    } catch (error) {
      if (!(error instanceof Error) || !/DatastoreUnavailable|TooManyConflicts/.test(error.message))
        throw error;
      await step(ipam, world);
    }
  };
