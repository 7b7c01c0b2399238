import type { ClusterFacts, NodeFact, PodFact, VmFact, VmiFact } from "./facts.ts";

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** The cluster at one moment. */
export interface ClusterInventory {
  readonly pods: readonly (Named & PodFact)[];
  readonly nodes: readonly (NodeFact & {
    readonly name: string;
    readonly tunnelAddresses: readonly string[];
  })[];
  readonly vms: readonly (Named & VmFact)[];
  readonly vmis: readonly (Named & VmiFact)[];
}

/** The inventory as facts. */
export function factsOf(inventory: ClusterInventory): ClusterFacts {
  const index = <T extends Named>(items: readonly T[]) =>
    new Map(items.map((item) => [`${item.namespace}/${item.name}`, item]));
  const pods = index(inventory.pods);
  const vms = index(inventory.vms);
  const vmis = index(inventory.vmis);
  const nodes = new Map(inventory.nodes.map((node) => [node.name, node]));
  return {
    pod: async (namespace, name) => pods.get(`${namespace}/${name}`),
    vm: async (namespace, name) => vms.get(`${namespace}/${name}`),
    vmi: async (namespace, name) => vmis.get(`${namespace}/${name}`),
    node: async (name) => nodes.get(name),
  };
}
