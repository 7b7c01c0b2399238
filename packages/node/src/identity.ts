import {
  type ApiClient,
  type ClusterView,
  getIfPresent,
  isApiError,
  kinds,
  type ObjectRef,
  type Pod,
  type ResourceKind,
} from "@fairlead/api";
import {
  type Attachment,
  CniError,
  type DepartingWorkload,
  type Identity,
  type PodReference,
  type Workload,
} from "@fairlead/cni";
import type { VmIdentity } from "@fairlead/ipam";
import { activePodName, IdentityError, lookupWorkload, type VmWorkload } from "@fairlead/kubevirt";

export interface IdentityOptions {
  readonly client: Pick<ApiClient, "get" | "list">;
  readonly view: ClusterView;
  readonly nodeName: string;
}

/**
 * Proves whose pod it is. Pod, VMI and migration may come from the view when the view is certainly as new as the pod: it has the pod under
 * the UID that the runtime names, and its VMI lists that UID. Whatever the view cannot tell is read live.
 */
export function createIdentity({ client, view, nodeName }: IdentityOptions): Identity {
  const live = <T>(kind: ResourceKind<T, never>, ref: ObjectRef, signal: AbortSignal) =>
    getIfPresent(client, kind, ref, { signal });

  async function findPod(ref: PodReference, signal: AbortSignal): Promise<Pod | undefined> {
    const seen = view.get(kinds.Pod, ref);
    if (seen && ref.uid !== undefined && seen.metadata.uid === ref.uid) return seen;
    const pod = await live(kinds.Pod, { namespace: ref.namespace, name: ref.name }, signal);
    return pod && (ref.uid === undefined || pod.metadata.uid === ref.uid) ? pod : undefined;
  }

  /** Undefined for an ordinary pod. */
  async function findVm(pod: Pod, signal: AbortSignal): Promise<VmWorkload | undefined> {
    const { name, namespace } = pod.metadata;
    const ref = { name, namespace };
    const seen = await lookupWorkload(view, ref, { pod, signal, authority: client });
    if (seen.kind !== "vm") return undefined;
    if (seen.role !== "active") return seen;
    // Where the guest of a VM that has migrated runs, the view may have from before the last move; and of a VM that lists more than
    // one pod it may not know yet that it is being stopped.
    const vmi = view.get(kinds.VirtualMachineInstance, { namespace, name: seen.name });
    const isFirst = Object.keys(vmi?.status?.activePods ?? {}).length <= 1;
    if (seen.guest.pod === undefined && isFirst) return seen;
    const now = await lookupWorkload(client, ref, { pod, signal });
    return now.kind === "vm" ? now : undefined;
  }

  async function arriving(ref: PodReference, signal: AbortSignal): Promise<Workload> {
    const pod = await findPod(ref, signal);
    const where = `${ref.namespace}/${ref.name}`;
    if (!pod)
      throw new CniError("IdentityRefused", `pod ${where} not found`, "it was deleted or replaced meanwhile");
    if (pod.spec.nodeName && pod.spec.nodeName !== nodeName)
      throw new CniError(
        "IdentityRefused",
        `pod ${where} is bound to node ${pod.spec.nodeName}, not ${nodeName}`,
        "check nodename in the conflist",
      );
    const namespace =
      view.get(kinds.Namespace, { name: ref.namespace }) ??
      (await live(kinds.Namespace, { name: ref.namespace }, signal));
    const vm = await findVm(pod, signal);
    if (vm?.role === "former")
      throw new CniError(
        "IdentityRefused",
        `VM ${vm.name} will not run in pod ${where} any more`,
        "nothing to do: KubeVirt removes the pod",
      );
    const { metadata } = pod;
    return {
      pod: {
        namespace: ref.namespace,
        name: ref.name,
        uid: metadata.uid ?? "",
        creationTimestamp: metadata.creationTimestamp ?? "",
      },
      podAnnotations: metadata.annotations ?? {},
      namespaceAnnotations: namespace?.metadata.annotations ?? {},
      namespaceLabels: namespace?.metadata.labels ?? {},
      nodeLabels: view.get(kinds.Node, { name: nodeName })?.metadata.labels ?? {},
      ...(vm && {
        vm: {
          ...identityOf(vm),
          role: vm.role === "target" ? "target" : "active",
          migrationUid: vm.migrationUid,
          guest: vm.guest,
        },
      }),
    };
  }

  async function departing(
    ref: PodReference,
    attachment: Attachment | undefined,
    signal: AbortSignal,
  ): Promise<DepartingWorkload> {
    // What ADD proved stays true for its container, whatever became of the objects.
    const known = attachment ? attachment.vm : await claimOf(ref, signal);
    const uid = attachment?.pod.uid ?? ref.uid;
    if (!known) return uid ? { uid } : {};
    const { name, vmUid, vmiUid } = known;
    const vmRef = { namespace: ref.namespace, name };
    const [vmi, owner] = await Promise.all([
      orUnserved(live(kinds.VirtualMachineInstance, vmRef, signal)),
      vmUid === undefined ? undefined : orUnserved(live(kinds.VirtualMachine, vmRef, signal)),
    ]);
    const deciding = vmUid === undefined ? vmi : owner;
    const isSame = deciding !== unserved && deciding?.metadata.uid === (vmUid ?? vmiUid);
    const isGone = deciding !== unserved && (!isSame || deciding?.metadata.deletionTimestamp !== undefined);
    const isRunning = vmi !== unserved && vmi?.metadata.uid === vmiUid;
    const guest = isRunning && {
      pod: activePodName(vmi),
      revision: vmi.metadata.resourceVersion ?? "",
    };
    return { ...(uid && { uid }), vm: { ...known, deleting: isGone, ...(guest && { guest }) } };
  }

  /** The VM of a pod of which no ADD is remembered. */
  async function claimOf(ref: PodReference, signal: AbortSignal) {
    const pod = await findPod(ref, signal);
    if (!pod) return undefined;
    try {
      const vm = await findVm(pod, signal);
      return vm && identityOf(vm);
    } catch (error) {
      // A pod whose claim is refused never got an address by it, so there is nothing to give back. Where KubeVirt's kinds are not
      // served nobody can tell; the address stays, and its record says who owned it.
      if (error instanceof IdentityError || isApiError(error, "NotServed")) return undefined;
      throw error;
    }
  }

  return {
    arriving: (ref, signal) => arriving(ref, signal).catch(fail),
    departing: (ref, attachment, signal) => departing(ref, attachment, signal).catch(fail),
  };
}

const identityOf = ({ name, vmUid, vmiUid }: VmWorkload): VmIdentity => ({ name, vmUid, vmiUid });

/** KubeVirt is being replaced or was removed. That says nothing of a VM, so nothing of it may be given back; DEL goes on without. */
const unserved = Symbol("unserved");

async function orUnserved<T>(object: Promise<T | undefined>): Promise<T | undefined | typeof unserved> {
  try {
    return await object;
  } catch (error) {
    if (isApiError(error, "NotServed")) return unserved;
    throw error;
  }
}

function fail(error: unknown): never {
  // The incumbent's words, for which people and tests look.
  if (error instanceof IdentityError)
    throw new CniError("IdentityRefused", `failed to get VMI info: ${error.message}`, error.remedy, {
      cause: error,
    });
  if (isApiError(error))
    throw new CniError("TryAgainLater", error.message, "is the API server there?", { cause: error });
  throw error;
}
