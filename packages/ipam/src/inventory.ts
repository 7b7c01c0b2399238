import { IpamError } from "./errors.ts";
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
  /** Undefined: the cluster serves no such kind now, so nobody knows which exist. */
  readonly vms: readonly (Named & VmFact)[] | undefined;
  readonly vmis: readonly (Named & VmiFact)[] | undefined;
}

/** No definition is not no object: while KubeVirt's definitions are missing, nobody can say that a VM was deleted. */
export const kubeVirtMissing = (kind: string, cause?: unknown): IpamError =>
  new IpamError("KubeVirtMissing", `the API server serves no ${kind} now, so nobody knows which exist`, {
    cause,
  });

/** The inventory as facts. */
export function factsOf(inventory: ClusterInventory): ClusterFacts {
  const index = <T extends Named>(items: readonly T[]) =>
    new Map(items.map((item) => [`${item.namespace}/${item.name}`, item]));
  const pods = index(inventory.pods);
  const vms = inventory.vms && index(inventory.vms);
  const vmis = inventory.vmis && index(inventory.vmis);
  const nodes = new Map(inventory.nodes.map((node) => [node.name, node]));
  return {
    pod: async (namespace, name) => pods.get(`${namespace}/${name}`),
    async vm(namespace, name) {
      if (!vms) throw kubeVirtMissing("VirtualMachine");
      return vms.get(`${namespace}/${name}`);
    },
    async vmi(namespace, name) {
      if (!vmis) throw kubeVirtMissing("VirtualMachineInstance");
      return vmis.get(`${namespace}/${name}`);
    },
    node: async (name) => nodes.get(name),
  };
}
