import {
  controllerOf,
  keyOf,
  type OwnerReference,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { activePodName, isOver, stateOf } from "./active-pod.ts";
import { IdentityError, type IdentityErrorCode } from "./identity-error.ts";
import { apiVersion, migrationUidLabel } from "./names.ts";

/** The objects that decide whose pod this is, as the API server holds them. */
export interface WorkloadObjects {
  readonly pod: Pod;
  /** The VMI that the pod's controller reference names. */
  readonly vmi?: VirtualMachineInstance | undefined;
  /** The migration whose UID the pod's label claims. */
  readonly migration?: VirtualMachineInstanceMigration | undefined;
  /** Pods of the namespace, where the VMI lists more than this one. */
  readonly siblings?: readonly Pod[] | undefined;
}

/**
 * `active`: the VM runs in this pod, or will as soon as it starts. `target`: a migration under way will bring it here.
 * `former`: the pod is the VM's but the VM will never run in it (again): a source after the move, a target of a failed
 * migration. A former pod may be unwired and must not be wired.
 */
export type VmRole = "active" | "target" | "former";

/** A VM, verified. */
export interface VmWorkload {
  readonly kind: "vm";
  readonly namespace: string;
  /** Of the VMI, which is that of its VM. Any length a name may have. */
  readonly name: string;
  readonly vmiUid: string;
  /** Of the VirtualMachine that the VMI says owns it; absent for a VMI that none owns. Not compared with the VirtualMachine itself. */
  readonly vmUid?: string | undefined;
  readonly role: VmRole;
  /** Of a target. */
  readonly migrationUid?: string | undefined;
  /** Where the VMI says the guest is; `pod` is undefined when it does not say. */
  readonly guest: { readonly pod: string | undefined; readonly revision: string };
}

/** Whose a pod is: its own, or a VM's. */
export type Workload = { readonly kind: "pod" } | VmWorkload;

/** KubeVirt has not caught up with a pod this new: look again shortly. `error` is what to throw when patience ends. */
export interface Undecided {
  readonly kind: "retry";
  readonly error: IdentityError;
}

const ordinaryPod: Workload = { kind: "pod" };

/** The reference that makes a pod a VM's, if it has one. Throws `IdentityError` for a broken one. */
export function instanceReference(pod: Pod): OwnerReference | undefined {
  const owner = controllerOf(pod);
  if (owner?.kind !== "VirtualMachineInstance" || !owner.apiVersion.startsWith("kubevirt.io/"))
    return undefined;
  if (owner.apiVersion !== apiVersion)
    throw refusal("UnsupportedVersion", pod, `its owner reference has version ${owner.apiVersion}`);
  if (!owner.name || !owner.uid)
    throw refusal("InvalidOwnerReference", pod, "its owner reference lacks the VMI's name or UID");
  return owner;
}

/**
 * Whose pod is this? Labels, annotations and the pod's name prove nothing: the controller reference must name a live VMI
 * by its UID, KubeVirt must list the pod among the VMI's, and a target's migration must exist and be this VMI's.
 *
 * Who may create pods in the namespace can still forge all of the pod's own fields. Close that with the admission policy
 * in `deploy/`; the checks here bound what remains.
 *
 * Throws `IdentityError`.
 */
export function identifyWorkload(objects: WorkloadObjects): Workload | Undecided {
  const { pod, vmi } = objects;
  const owner = instanceReference(pod);
  if (owner === undefined) return ordinaryPod;
  if (vmi === undefined) throw refusal("InstanceNotFound", pod, `there is no VMI ${owner.name}`);
  if (vmi.metadata.namespace !== pod.metadata.namespace || vmi.metadata.name !== owner.name)
    throw refusal("InstanceMismatch", pod, `its owner is not the VMI ${keyOf(vmi.metadata)}`);
  if (vmi.metadata.uid !== owner.uid)
    throw refusal(
      "InstanceMismatch",
      pod,
      `its owner has UID ${owner.uid}, the VMI ${owner.name} has ${vmi.metadata.uid}`,
    );
  const role = roleOf(objects, vmi);
  if (typeof role === "object") return role;
  return {
    kind: "vm",
    namespace: pod.metadata.namespace ?? "",
    name: vmi.metadata.name,
    vmiUid: owner.uid,
    vmUid: machineUid(vmi),
    role,
    migrationUid: role === "target" ? pod.metadata.labels?.[migrationUidLabel] : undefined,
    guest: { pod: activePodName(vmi), revision: vmi.metadata.resourceVersion ?? "" },
  };
}

function machineUid(vmi: VirtualMachineInstance): string | undefined {
  const owner = controllerOf(vmi);
  return owner?.kind === "VirtualMachine" && owner.apiVersion === apiVersion ? owner.uid : undefined;
}

function roleOf(objects: WorkloadObjects, vmi: VirtualMachineInstance): VmRole | Undecided {
  const { pod, migration } = objects;
  if (isFinished(pod)) return "former";
  const isListed = Object.hasOwn(vmi.status?.activePods ?? {}, pod.metadata.uid ?? "");
  if (!isListed && isDeleted(pod)) return "former";
  if (!isListed)
    return retry("NotActivePod", pod, `the VMI ${vmi.metadata.name} does not list it among its active pods`);
  const active = activePodName(vmi);
  if (active === pod.metadata.name) return "active";
  // A VMI that is being stopped starts in no other pod.
  if (isOver(vmi) || isDeleted(vmi)) return "former";
  const claimed = pod.metadata.labels?.[migrationUidLabel];
  if (!claimed) return active === undefined ? firstPodRole(objects, vmi) : "former";
  return targetRole(pod, vmi, claimed, migration);
}

/**
 * Whether KubeVirt lists another pod on the same node that no migration made and that may still run. A listed pod that does not exist
 * does not. Of pods on different nodes the VMI's node says which it is, as soon as it says anything.
 */
function hasRival(pod: Pod, vmi: VirtualMachineInstance, siblings: readonly Pod[] = []): boolean {
  const listed = vmi.status?.activePods ?? {};
  return siblings.some(
    (other) =>
      other.metadata.uid !== pod.metadata.uid &&
      other.spec.nodeName === pod.spec.nodeName &&
      Object.hasOwn(listed, other.metadata.uid ?? "") &&
      !other.metadata.labels?.[migrationUidLabel] &&
      !isFinished(other),
  );
}

/**
 * The VM never migrated, so it has one pod that no migration made, and that must be where the VM is. As long as KubeVirt lists several
 * there, nothing tells which of them it is: all but one have to go first.
 */
function firstPodRole({ pod, siblings }: WorkloadObjects, vmi: VirtualMachineInstance): VmRole | Undecided {
  const { nodeName } = vmi.status ?? {};
  if (nodeName && pod.spec.nodeName && nodeName !== pod.spec.nodeName)
    throw refusal(
      "NotActivePod",
      pod,
      `the VM runs on ${nodeName} and never migrated, the pod is on ${pod.spec.nodeName}`,
    );
  if (!hasRival(pod, vmi, siblings)) return "active";
  return retry(
    "NotActivePod",
    pod,
    `the VM ${vmi.metadata.name} never migrated, and KubeVirt lists another pod of it on this node that no migration made`,
  );
}

function targetRole(
  pod: Pod,
  vmi: VirtualMachineInstance,
  claimed: string,
  migration: VirtualMachineInstanceMigration | undefined,
): VmRole | Undecided {
  const state = stateOf(vmi, claimed);
  if (state?.targetPod && state.targetPod !== pod.metadata.name)
    throw refusal("MigrationMismatch", pod, `the target of migration ${claimed} is pod ${state.targetPod}`);
  // Known to KubeVirt as this migration's target, and the VM is not here: it failed.
  if (state?.failed) return "former";
  if (migration === undefined || migration.metadata.uid !== claimed) {
    if (isDeleted(pod)) return "former";
    return retry("MigrationNotFound", pod, `there is no migration with UID ${claimed}`);
  }
  const isSameNamespace = migration.metadata.namespace === pod.metadata.namespace;
  if (!isSameNamespace || migration.spec.vmiName !== vmi.metadata.name)
    throw refusal(
      "MigrationMismatch",
      pod,
      `migration ${claimed} moves ${migration.spec.vmiName}, not ${vmi.metadata.name}`,
    );
  const { phase } = migration.status ?? {};
  if (phase === "Failed") return "former";
  // Succeeded, and the VM is not here: a later migration moved it on, or the VMI we were given is older than the migration.
  if (phase === "Succeeded" && state === undefined) return "former";
  return "target";
}

function isDeleted(object: { metadata: { deletionTimestamp?: string } }): boolean {
  return object.metadata.deletionTimestamp !== undefined;
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

function refusal(code: IdentityErrorCode, pod: Pod, message: string): IdentityError {
  return new IdentityError(code, keyOf(pod.metadata), message);
}

function retry(code: IdentityErrorCode, pod: Pod, message: string): Undecided {
  return { kind: "retry", error: refusal(code, pod, message) };
}
