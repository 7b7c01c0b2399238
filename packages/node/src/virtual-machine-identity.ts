import type { Pod, VirtualMachine, VirtualMachineInstance } from "@fairlead/api";
import { CniError } from "@fairlead/cni";

export interface VirtualMachineIdentity {
  readonly name: string;
  readonly vmUid?: string;
  readonly vmiUid: string;
  /** Set for the pod of a migration target. */
  readonly migrationUid?: string;
}

export interface VirtualMachineReaders {
  vmi(namespace: string, name: string): Promise<VirtualMachineInstance | undefined>;
  vm(namespace: string, name: string): Promise<VirtualMachine | undefined>;
}

const migrationLabel = "kubevirt.io/migrationJobUID";
const group = /^kubevirt\.io\//;

/**
 * The VM in a pod, undefined for an ordinary pod. Names and labels prove nothing: the pod's controlling owner must be a VMI with
 * this very UID, and that VMI must know the pod, as one of its active ones or as the target of its migration.
 *
 * @throws CniError IdentityRefused (the claim is false), TryAgainLater (the VMI does not know the pod yet)
 */
export async function identifyVirtualMachine(
  pod: Pod,
  readers: VirtualMachineReaders,
): Promise<VirtualMachineIdentity | undefined> {
  const { namespace = "", name, uid } = pod.metadata;
  const claims = (pod.metadata.ownerReferences ?? []).filter(
    (owner) => owner.kind === "VirtualMachineInstance" && group.test(owner.apiVersion),
  );
  const owner = claims.find(({ controller }) => controller === true);
  if (!owner) {
    if (claims.length === 0) return undefined;
    throw refused(`pod ${namespace}/${name} names a VMI as owner that is not its controller`);
  }
  if (!owner.name || !owner.uid) throw refused(`pod ${namespace}/${name} has an invalid VMI ownerReference`);
  const vmi = await readers.vmi(namespace, owner.name);
  if (!vmi) throw refused(`VMI ${namespace}/${owner.name}, which pod ${name} names as owner, does not exist`);
  const vmiUid = vmi.metadata.uid ?? "";
  if (vmiUid !== owner.uid)
    throw refused(`VMI UID mismatch: pod ownerReference has ${owner.uid} but VMI resource has ${vmiUid}`);
  const migrationUid = pod.metadata.labels?.[migrationLabel];
  if (!knowsPod(vmi, uid ?? "", name))
    throw new CniError(
      "TryAgainLater",
      `VMI ${namespace}/${owner.name} does not list pod ${name} among its own`,
      "KubeVirt adds it shortly after it made the pod; a pod that stays unknown was not made by KubeVirt",
    );
  const vmOwner = vmi.metadata.ownerReferences?.find(
    (one) => one.kind === "VirtualMachine" && group.test(one.apiVersion),
  );
  const vm = vmOwner && (await readers.vm(namespace, vmOwner.name));
  if (vmOwner && vm?.metadata.uid !== vmOwner.uid)
    throw refused(`VirtualMachine ${namespace}/${vmOwner.name} is not the one that owns VMI ${owner.name}`);
  return {
    name: owner.name,
    vmiUid,
    ...(vmOwner && { vmUid: vmOwner.uid }),
    ...(migrationUid && { migrationUid }),
  };
}

function knowsPod({ status }: VirtualMachineInstance, uid: string, name: string): boolean {
  const { activePods, migrationState } = status ?? {};
  // A server or stand-in that keeps no list cannot refuse by it.
  if (activePods === undefined) return true;
  return (
    Object.hasOwn(activePods, uid) || migrationState?.targetPod === name || migrationState?.sourcePod === name
  );
}

function refused(message: string): CniError {
  return new CniError(
    "IdentityRefused",
    message,
    "a pod that is not KubeVirt's must not name a VMI as its owner",
  );
}
