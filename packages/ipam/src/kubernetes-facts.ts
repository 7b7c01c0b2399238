import {
  type ApiClient,
  getIfPresent,
  isApiError,
  kinds,
  listAll,
  type Node,
  nodeAnnotations,
  type Pod,
  type VirtualMachine,
  type VirtualMachineInstance,
} from "@fairlead/api";
import type { ClusterFacts, PodFact, VmFact, VmiFact } from "./facts.ts";
import type { ClusterInventory } from "./inventory.ts";

const podIpsAnnotation = "cni.projectcalico.org/podIPs";

/** How the objects are read. */
export interface KubernetesFactsOptions {
  /**
   * Name of the pod in which a VMI's guest runs, as far as the VMI tells; `activePodName` of `@fairlead/kubevirt`. Without
   * it ownership follows the callers' word.
   */
  readonly guestPodOf?: ((vmi: VirtualMachineInstance) => string | undefined) | undefined;
}

/** Live facts, one API request each. */
export function createKubernetesFacts(
  client: ApiClient,
  { guestPodOf }: KubernetesFactsOptions = {},
): ClusterFacts {
  return {
    async pod(namespace, name) {
      const pod = await getIfPresent(client, kinds.Pod, { namespace, name });
      return pod && podFact(pod);
    },
    async vm(namespace, name) {
      const vm = await getIfPresent(client, kinds.VirtualMachine, { namespace, name });
      return vm && vmFact(vm);
    },
    async vmi(namespace, name) {
      const vmi = await getIfPresent(client, kinds.VirtualMachineInstance, { namespace, name });
      return vmi && vmiFact(vmi, guestPodOf);
    },
    async node(name) {
      const node = await getIfPresent(client, kinds.Node, { name });
      return node && { labels: node.metadata.labels ?? {} };
    },
  };
}

/** Everything `check` compares with, from five lists. A cluster without KubeVirt has no VMs. */
export async function readInventory(client: ApiClient): Promise<ClusterInventory> {
  const orNone = async <T>(list: Promise<{ readonly items: T[] }>): Promise<T[]> => {
    try {
      return (await list).items;
    } catch (error) {
      if (isApiError(error, "NotServed")) return [];
      throw error;
    }
  };
  const [pods, nodes, vms, vmis] = await Promise.all([
    listAll(client, kinds.Pod).then(({ items }) => items),
    listAll(client, kinds.Node).then(({ items }) => items),
    orNone(listAll(client, kinds.VirtualMachine)),
    orNone(listAll(client, kinds.VirtualMachineInstance)),
  ]);
  return {
    pods: pods.map((pod) => ({ ...named(pod), ...podFact(pod) })),
    nodes: nodes.map((node) => ({
      name: node.metadata.name,
      labels: node.metadata.labels ?? {},
      tunnelAddresses: tunnelAddresses(node),
    })),
    vms: vms.map((vm) => ({ ...named(vm), ...vmFact(vm) })),
    vmis: vmis.map((vmi) => ({ ...named(vmi), ...vmiFact(vmi) })),
  };
}

const named = ({ metadata }: { readonly metadata: Pod["metadata"] }) => ({
  namespace: metadata.namespace ?? "",
  name: metadata.name,
});

function podFact(pod: Pod): PodFact {
  const { metadata, spec, status } = pod;
  const reported = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP ? [status.podIP] : []);
  const written = (metadata.annotations?.[podIpsAnnotation] ?? "").split(",").filter(Boolean);
  return {
    uid: metadata.uid ?? "",
    node: spec.nodeName,
    phase: status?.phase ?? "Pending",
    reason: status?.reason,
    hostNetwork: spec.hostNetwork ?? false,
    addresses: [...new Set([...reported, ...written.map((text) => text.split("/")[0]!)])],
    deleting: metadata.deletionTimestamp !== undefined,
  };
}

const vmFact = ({ metadata }: { readonly metadata: VirtualMachine["metadata"] }): VmFact => ({
  uid: metadata.uid ?? "",
  deleting: metadata.deletionTimestamp !== undefined,
});

function vmiFact(vmi: VirtualMachineInstance, guestPodOf?: KubernetesFactsOptions["guestPodOf"]): VmiFact {
  const owner = vmi.metadata.ownerReferences?.find(({ kind }) => kind === "VirtualMachine");
  return {
    ...vmFact(vmi),
    ownerUid: owner?.uid,
    guestPod: guestPodOf?.(vmi),
    activePods: Object.keys(vmi.status?.activePods ?? {}),
    revision: vmi.metadata.resourceVersion,
  };
}

const tunnelAddresses = ({ metadata }: Node): string[] =>
  [
    nodeAnnotations.ipipTunnelAddress,
    nodeAnnotations.vxlanTunnelAddress,
    nodeAnnotations.vxlanTunnelAddressV6,
  ]
    .map((key) => metadata.annotations?.[key])
    .filter((address) => address !== undefined);
