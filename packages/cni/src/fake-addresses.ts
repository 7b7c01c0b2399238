import type { ClusterFacts, IPAMBlock, MemoryStore, WorkloadRelease, Workloads } from "@fairlead/ipam";
import { createFakeIpam, createMemoryStore } from "@fairlead/ipam/fake";
import type { Workload } from "./components.ts";

/** The real address manager over a store in memory, with a view of what is held and what was given back. */
export interface FakeAddresses extends Pick<Workloads, "assign" | "release"> {
  /** Every handle that holds addresses now, with how many. */
  readonly held: ReadonlyMap<string, number>;
  /** What `release` was asked, in order. */
  readonly released: readonly WorkloadRelease[];
}

/**
 * Hands out 10.244.0.1 and fd00:10:244::1, and so on; one pair per VM or container. `workloads` (`namespace/name`) are the
 * pods and VMs that exist; those that are taken out of it are gone.
 */
export function createFakeAddresses(workloads: ReadonlyMap<string, Workload> = new Map()): FakeAddresses {
  const store = createMemoryStore();
  const blocks = new Map<string, IPAMBlock>();
  store.load("IPReservation", {
    metadata: { name: "network-addresses" },
    spec: { reservedCIDRs: ["10.244.0.0", "fd00:10:244::"] },
  });
  const { ipam } = createFakeIpam({
    store: watched(store, blocks),
    facts: factsOf(workloads),
    random: () => 0,
    wait: async () => {},
  });
  const released: WorkloadRelease[] = [];
  // The node has the first block of each pool, so that addresses can be foretold.
  const claimed = Promise.all(
    ["10.244.0.0/26", "fd00:10:244::/122"].map((cidr) => ipam.affinities.claim("node-1", cidr)),
  );
  return {
    released,
    get held() {
      const held = new Map<string, number>();
      for (const { spec } of blocks.values())
        for (const index of spec.allocations) {
          const handle = index === null ? undefined : spec.attributes[index]?.handle_id;
          if (handle) held.set(handle, (held.get(handle) ?? 0) + 1);
        }
      return held;
    },
    async assign(request) {
      await claimed;
      return ipam.workloads.assign(request);
    },
    async release(request) {
      released.push(request);
      return ipam.workloads.release(request);
    },
  };
}

/** The same store, whose blocks can be looked at without waiting. */
function watched(store: MemoryStore, blocks: Map<string, IPAMBlock>): MemoryStore {
  const note = async () => {
    blocks.clear();
    for (const block of await store.list("IPAMBlock")) blocks.set(block.metadata.name, block);
  };
  return {
    ...store,
    async create(kind, object) {
      const created = await store.create(kind, object);
      await note();
      return created;
    },
    async replace(kind, object) {
      const replaced = await store.replace(kind, object);
      await note();
      return replaced;
    },
    async remove(kind, object) {
      await store.remove(kind, object);
      await note();
    },
  };
}

function factsOf(workloads: ReadonlyMap<string, Workload>): ClusterFacts {
  const vmOf = (namespace: string, name: string) =>
    [...workloads.values()].find(({ pod, vm }) => pod.namespace === namespace && vm?.name === name)?.vm;
  return {
    async pod(namespace, name) {
      const pod = workloads.get(`${namespace}/${name}`)?.pod;
      return pod && { uid: pod.uid, node: "node-1", phase: "Running", addresses: [], deleting: false };
    },
    async vm(namespace, name) {
      const uid = vmOf(namespace, name)?.vmUid;
      return uid === undefined ? undefined : { uid, deleting: false };
    },
    async vmi(namespace, name) {
      const vm = vmOf(namespace, name);
      return vm && { uid: vm.vmiUid, ownerUid: vm.vmUid, deleting: false };
    },
    node: async (name) => (name === "node-1" ? { labels: {} } : undefined),
  };
}
