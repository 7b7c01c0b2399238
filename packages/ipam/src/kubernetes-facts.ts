import {
  type ApiClient,
  getIfPresent,
  isApiError,
  kinds,
  type Node,
  nodeAnnotations,
  type Pod,
  type ResourceKind,
  type VirtualMachine,
  type VirtualMachineInstance,
} from "@fairlead/api";
import type { ClusterFacts, PodFact, VmFact, VmiFact } from "./facts.ts";
import { type ClusterInventory, kubeVirtMissing } from "./inventory.ts";

const podIpsAnnotation = "cni.projectcalico.org/podIPs";

/** How the objects are read. */
export interface KubernetesFactsOptions {
  /**
   * Name of the pod in which a VMI's guest runs, as far as the VMI tells; `activePodName` of `@fairlead/kubevirt`. Without
   * it ownership follows the callers' word.
   */
  readonly guestPodOf?: ((vmi: VirtualMachineInstance) => string | undefined) | undefined;
}

/**
 * Live facts, one API request each. While the server serves no VirtualMachines, asking for one throws `KubeVirtMissing`; who never asks
 * for one, in a cluster without KubeVirt, never meets it.
 */
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
      const vm = await kubeVirt(client, kinds.VirtualMachine, { namespace, name });
      return vm && vmFact(vm);
    },
    async vmi(namespace, name) {
      const vmi = await kubeVirt(client, kinds.VirtualMachineInstance, { namespace, name });
      return vmi && vmiFact(vmi, guestPodOf);
    },
    async node(name) {
      const node = await getIfPresent(client, kinds.Node, { name });
      return node && { labels: node.metadata.labels ?? {} };
    },
  };
}

async function kubeVirt<T>(
  client: ApiClient,
  kind: ResourceKind<T, never>,
  ref: { readonly namespace: string; readonly name: string },
): Promise<T | undefined> {
  try {
    return await getIfPresent(client, kind, ref);
  } catch (error) {
    throw isApiError(error, "NotServed") ? kubeVirtMissing(kind.kind, error) : error;
  }
}

/**
 * Everything that allocations are compared with, from four lists, each page reduced to what counts before the next is read. Where the
 * server serves no VirtualMachines they are undefined: unknown, not none.
 */
export async function readInventory(client: ApiClient): Promise<ClusterInventory> {
  const unlessMissing = <T>(list: Promise<T[]>): Promise<T[] | undefined> =>
    list.catch((error: unknown) => {
      if (isApiError(error, "NotServed")) return undefined;
      throw error;
    });
  const [pods, nodes, vms, vmis] = await Promise.all([
    reduced(client, kinds.Pod, (pod) => ({ ...named(pod), ...podFact(pod) })),
    reduced(client, kinds.Node, (node) => ({
      name: node.metadata.name,
      labels: node.metadata.labels ?? {},
      tunnelAddresses: tunnelAddresses(node),
    })),
    unlessMissing(reduced(client, kinds.VirtualMachine, (vm) => ({ ...named(vm), ...vmFact(vm) }))),
    unlessMissing(
      reduced(client, kinds.VirtualMachineInstance, (vmi) => ({ ...named(vmi), ...vmiFact(vmi) })),
    ),
  ]);
  return { pods, nodes, vms, vmis };
}

async function reduced<T, F>(
  client: Pick<ApiClient, "list">,
  kind: ResourceKind<T, never>,
  reduce: (object: T) => F,
): Promise<F[]> {
  const facts: F[] = [];
  let next: string | undefined;
  do {
    const page = await client.list(kind, { limit: 500, continue: next });
    facts.push(...page.items.map(reduce));
    next = page.continue;
  } while (next);
  return facts;
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
