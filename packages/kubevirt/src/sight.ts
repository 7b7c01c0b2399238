import type { Pod, VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import { activePodName, isAcknowledged, stateOf } from "./active-pod.ts";
import { migrationUidLabel } from "./names.ts";
import { hasSwitchedOver, isBehind, isFinal, progressOf } from "./progress.ts";

/** A pod of a VM and the objects that say where the VM's guest is. */
export interface PodObjects {
  readonly pod: Pod;
  /** UID of the migration that the pod was made for, or "" for none, where that is proved; default: what the pod's label says. */
  readonly madeFor?: string;
  readonly vmi: VirtualMachineInstance;
  /** All that move this VMI; those of other VMIs are passed over. */
  readonly migrations: readonly VirtualMachineInstanceMigration[];
}

/**
 * Where the VMI says the guest is, seen from one pod. `unknown`: it does not say, or says it in a way that fits more than one pod.
 */
export type GuestPlace = "here" | "elsewhere" | "unknown";

/**
 * The part of one pod in the migrations of its VM.
 *
 * | part | a migration |
 * |---|---|
 * | `none` | concerns the pod no longer, or never did |
 * | `candidate` | for which the pod was made is under way, and KubeVirt has not named its target yet |
 * | `target` | is under way, and KubeVirt has named this pod as its target |
 * | `arrived` | the same, and the guest runs in this pod already; the migration is not over (post-copy: for long) |
 * | `untold` | for which the pod was made has succeeded, and the VMI at hand is too old to speak of it |
 * | `spent` | for which the pod was made is over without it: it failed, or KubeVirt has named another pod as its target |
 * | `source` | away from this pod is under way |
 * | `left` | the same, and the guest runs on the target already |
 */
export type PodPart = "none" | "candidate" | "target" | "arrived" | "untold" | "spent" | "source" | "left";

/** What KubeVirt's objects say of one pod. */
export interface PodSight {
  readonly place: GuestPlace;
  /** UID of the migration in whose record the VMI names the pod; absent for a VM that never migrated. */
  readonly placedBy?: string;
  readonly part: PodPart;
  /** The migration the pod was made for. Creation time in RFC 3339; of 1970 when the object is gone. */
  readonly madeFor?: { readonly uid: string; readonly createdAt: string };
  /** `metadata.resourceVersion` of the VMI. */
  readonly revision: string;
}

/**
 * Sees one pod of a VM: where its guest is, and which part the pod plays in migrations. Depends on the objects alone, not on the order
 * in which they were seen. Two migrations may exist at once, and the record of one may name a source of long ago: therefore both
 * answers are given, and `place` counts first.
 */
export function sightOf(objects: PodObjects): PodSight {
  const { vmi } = objects;
  const uid = madeForOf(objects);
  const migration = objects.migrations.find(({ metadata }) => metadata.uid === uid);
  const createdAt = new Date(Date.parse(migration?.metadata.creationTimestamp ?? "") || 0).toISOString();
  return {
    ...placeOf(objects),
    part: partOf(objects),
    ...(uid && { madeFor: { uid, createdAt } }),
    revision: vmi.metadata.resourceVersion ?? "",
  };
}

const madeForOf = ({ pod, madeFor = pod.metadata.labels?.[migrationUidLabel] }: PodObjects) =>
  madeFor || undefined;

function placeOf(objects: PodObjects): Pick<PodSight, "place" | "placedBy"> {
  const { pod, vmi } = objects;
  const uid = vmi.status?.migrationState?.migrationUid;
  if (!uid) return { place: isOnlyPod(objects) ? "here" : "unknown" };
  const name = activePodName(vmi);
  if (name === undefined) return { place: "unknown" };
  return name === pod.metadata.name ? { place: "here", placedBy: uid } : { place: "elsewhere" };
}

/**
 * The VM has not migrated, as far as its VMI says, and runs on the node of this pod, where no other pod of it is. The record of the last
 * migration may be missing for a moment, and a pod that a migration brought the guest to then looks the same as one it never reached.
 * The node may be missing, too; then nothing tells the first pod from one that the guest has left.
 */
function isOnlyPod(objects: PodObjects): boolean {
  const { pod, vmi } = objects;
  const { activePods = {}, nodeName } = vmi.status ?? {};
  const own = pod.metadata.uid ?? "";
  if (!Object.hasOwn(activePods, own) || madeForOf(objects)) return false;
  if (!nodeName || nodeName !== pod.spec.nodeName) return false;
  return Object.entries(activePods).every(([uid, node]) => uid === own || node !== pod.spec.nodeName);
}

function partOf(objects: PodObjects): PodPart {
  const { pod, vmi, migrations } = objects;
  const own = asTarget(objects);
  if (own && own !== "none" && own !== "spent") return own;
  const away = migrations.map((migration) => asSource(pod, vmi, migration));
  if (away.includes("left")) return "left";
  if (away.includes("source")) return "source";
  return own ?? "none";
}

function asTarget(pods: PodObjects): PodPart | undefined {
  const { pod, vmi, migrations } = pods;
  const migrationUid = madeForOf(pods);
  if (!migrationUid) return undefined;
  const migration = migrations.find(({ metadata }) => metadata.uid === migrationUid);
  const state = stateOf(vmi, migrationUid);
  // The label is whoever's who made the pod. KubeVirt's record is not.
  if (migration && migration.spec.vmiName !== vmi.metadata.name) return "spent";
  if (state?.targetPod && state.targetPod !== pod.metadata.name) return "spent";
  const objects = { migrationUid, migration, vmi };
  const progress = progressOf(objects);
  const hasSucceeded = progress === "succeeded" || migration?.status?.phase === "Succeeded";
  // That it succeeded may be known from the migration's own copy, and the VMI at hand be from before.
  const isUntold = state ? !isAcknowledged(vmi, state) : migration && isBehind(vmi, migration, migrations);
  if (hasSucceeded && migration) return isUntold ? "untold" : "none";
  // Where nobody is left who says how it ended, the guest may be here since: what the VMI says of its place is all there is.
  if (progress === "succeeded" || progress === "gone") return "none";
  if (isFinal(progress)) return "spent";
  if (!state?.targetPod) return "candidate";
  return hasSwitchedOver(objects) ? "arrived" : "target";
}

function asSource(
  pod: Pod,
  vmi: VirtualMachineInstance,
  migration: VirtualMachineInstanceMigration,
): PodPart | undefined {
  if (migration.spec.vmiName !== vmi.metadata.name) return undefined;
  const migrationUid = migration.metadata.uid ?? "";
  const sourcePod = stateOf(vmi, migrationUid)?.sourcePod ?? migration.status?.migrationState?.sourcePod;
  if (sourcePod !== pod.metadata.name) return undefined;
  const objects = { migrationUid, migration, vmi };
  if (isFinal(progressOf(objects))) return undefined;
  return hasSwitchedOver(objects) ? "left" : "source";
}
