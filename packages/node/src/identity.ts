import {
  type ApiClient,
  type ClusterView,
  getIfPresent,
  isApiError,
  kinds,
  type Pod,
  type ResourceKind,
} from "@fairlead/api";
import { CniError, type DepartingWorkload, type Identity, type Workload } from "@fairlead/cni";
import { IdentityError, lookupWorkload, type VmWorkload } from "@fairlead/kubevirt";

export interface IdentityOptions {
  readonly client: Pick<ApiClient, "get" | "list">;
  readonly view: ClusterView;
  readonly nodeName: string;
}

/**
 * Proves whose pod it is. The pod may come from the view when its UID is the one the runtime names; VMI and VM are read live, since
 * they decide who gets a VM's address.
 */
export function createIdentity({ client, view, nodeName }: IdentityOptions): Identity {
  /** Undefined when there is none. @throws CniError TryAgainLater */
  async function live<T>(
    kind: ResourceKind<T, never>,
    ref: { name: string; namespace?: string },
    signal: AbortSignal,
  ) {
    try {
      return await getIfPresent(client, kind, ref, { signal });
    } catch (cause) {
      throw new CniError(
        "TryAgainLater",
        `cannot read ${ref.namespace ?? ""}/${ref.name}`,
        "is the API server there?",
        { cause },
      );
    }
  }

  /** Undefined for an ordinary pod. VMI, VM and migration are read live. @throws CniError */
  async function findVm(pod: Pod, signal: AbortSignal): Promise<VmWorkload | undefined> {
    const { name, namespace } = pod.metadata;
    try {
      const workload = await lookupWorkload(client, { name, namespace }, { pod, signal });
      return workload.kind === "vm" ? workload : undefined;
    } catch (cause) {
      if (cause instanceof IdentityError) throw refused(cause);
      if (isApiError(cause))
        throw new CniError("TryAgainLater", cause.message, "is the API server there?", { cause });
      throw cause;
    }
  }

  async function findPod(
    ref: { namespace: string; name: string; uid?: string },
    signal: AbortSignal,
  ): Promise<Pod | undefined> {
    const seen = view.get(kinds.Pod, ref);
    if (seen && ref.uid !== undefined && seen.metadata.uid === ref.uid) return seen;
    const pod = await live(kinds.Pod, { namespace: ref.namespace, name: ref.name }, signal);
    return pod && (ref.uid === undefined || pod.metadata.uid === ref.uid) ? pod : undefined;
  }

  return {
    async arriving(ref, signal): Promise<Workload> {
      const pod = await findPod(ref, signal);
      const where = `${ref.namespace}/${ref.name}`;
      if (!pod)
        throw new CniError(
          "IdentityRefused",
          `pod ${where} not found`,
          "it was deleted or replaced meanwhile",
        );
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
            name: vm.name,
            vmUid: vm.vmUid,
            vmiUid: vm.vmiUid,
            role: vm.role === "target" ? "target" : "active",
            migrationUid: vm.migrationUid,
          },
        }),
      };
    },

    async departing(ref, attachment, signal): Promise<DepartingWorkload> {
      // What ADD proved stays true for its container, whatever became of the objects.
      let known = attachment?.vm;
      if (!attachment) {
        const pod = await findPod(ref, signal);
        const vm = pod && (await findVm(pod, signal).catch(onlyWhenPassing));
        if (vm) known = { name: vm.name, vmUid: vm.vmUid, vmiUid: vm.vmiUid };
      }
      const uid = attachment?.pod.uid ?? ref.uid;
      if (!known) return uid ? { uid } : {};
      const { name, vmUid, vmiUid } = known;
      const vmRef = { namespace: ref.namespace, name };
      const owner = vmUid
        ? await live(kinds.VirtualMachine, vmRef, signal)
        : await live(kinds.VirtualMachineInstance, vmRef, signal);
      const isSame = owner?.metadata.uid === (vmUid ?? vmiUid);
      const deleting = !isSame || owner?.metadata.deletionTimestamp !== undefined;
      return { ...(uid && { uid }), vm: { ...known, deleting } };
    },
  };
}

/** A pod whose claim is refused never got an address by it, so there is nothing to give back. */
function onlyWhenPassing(error: unknown): undefined {
  if (error instanceof CniError && error.code === "IdentityRefused") return undefined;
  throw error;
}

function refused(error: IdentityError): CniError {
  // The incumbent's words, for which people and tests look.
  return new CniError("IdentityRefused", `failed to get VMI info: ${error.message}`, error.remedy, {
    cause: error,
  });
}
