import type { MigrationState, VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import { isAcknowledged, isOver, stateOf } from "./active-pod.ts";

/**
 * How far a migration is.
 *
 * `preparing`: the target is being made, memory is not copied yet. `running`: memory is copied; the guest may already run
 * on the target. `succeeded`: the VM belongs to the target. `failed`, `cancelled`: it stays where it was. `gone`: the
 * migration vanished, and nothing is left that says how it ended.
 */
export type MigrationProgress = "preparing" | "running" | "succeeded" | "failed" | "cancelled" | "gone";

/** The witnesses of one migration; any may be gone. */
export interface MigrationObjects {
  readonly migrationUid: string;
  /** Absent once it was deleted. */
  readonly migration: VirtualMachineInstanceMigration | undefined;
  /** Absent once it was deleted. */
  readonly vmi: VirtualMachineInstance | undefined;
}

/** Whether a migration is over, one way or the other. */
export function isFinal(progress: MigrationProgress): boolean {
  return progress !== "preparing" && progress !== "running";
}

/**
 * Judges a migration by whatever is known, in any order of arrival. Success needs a witness that names this migration:
 * the VMI's state, or the copy of it that the finished migration keeps. The end of a migration object alone, or its
 * disappearance, is no success.
 */
export function progressOf({ migrationUid, migration, vmi }: MigrationObjects): MigrationProgress {
  const state = stateOf(vmi, migrationUid);
  const copy = copyOf(migration, migrationUid);
  if (vmi && state && isAcknowledged(vmi, state)) return "succeeded";
  if (copy?.completed && !copy.failed) return "succeeded";
  if (state?.failed || copy?.failed) return isAborted(migration, state ?? copy) ? "cancelled" : "failed";
  const phase = migration?.status?.phase;
  if (phase === "Failed") return isAborted(migration, state) ? "cancelled" : "failed";
  // KubeVirt forgets a migration after the VMI has told its end: a VMI that has not told it is older.
  if (vmi === undefined || !(migration || state)) return "gone";
  // The VMI's word is on its way, or a later migration has taken its place since.
  if (migration && phase === "Succeeded") return state || isBehind(vmi, migration) ? "running" : "succeeded";
  if (isOver(vmi) || vmi.metadata.deletionTimestamp) return "failed";
  if (phase === "Running" || state?.startTimestamp) return "running";
  return "preparing";
}

/** The guest already runs on the target, though the migration may not be over (post-copy: not for long seconds). */
export function hasSwitchedOver({ migrationUid, migration, vmi }: MigrationObjects): boolean {
  const state = stateOf(vmi, migrationUid) ?? copyOf(migration, migrationUid);
  return Boolean(state?.targetNodeDomainReadyTimestamp) && !state?.failed;
}

/** While Pending it holds nothing but the source's name, and no UID. */
function copyOf(
  migration: VirtualMachineInstanceMigration | undefined,
  migrationUid: string,
): MigrationState | undefined {
  const copy = migration?.status?.migrationState;
  return copy?.migrationUid === migrationUid ? copy : undefined;
}

function isAborted(
  migration: VirtualMachineInstanceMigration | undefined,
  state: MigrationState | undefined,
): boolean {
  if (state?.abortRequested) return true;
  if (migration?.metadata.deletionTimestamp) return true;
  const conditions = migration?.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === "migrationAbortRequested" && status === "True");
}

/**
 * What we hold of the VMI is older than this migration: its state is that of an earlier one, or none. Which of two came first is told
 * by when they were made and when they started. KubeVirt moves a VMI once at a time: of two that nothing else tells apart, the one
 * that is not over comes after the one that is.
 */
export function isBehind(
  vmi: VirtualMachineInstance,
  migration: VirtualMachineInstanceMigration,
  others: readonly VirtualMachineInstanceMigration[] = [],
): boolean {
  const state = vmi.status?.migrationState;
  if (!state?.migrationUid) return true;
  const recorded = others.find(({ metadata }) => metadata.uid === state.migrationUid);
  const copy = copyOf(migration, migration.metadata.uid ?? "");
  const { startTimestamp = state.startTimestamp, endTimestamp = state.endTimestamp } =
    copyOf(recorded, state.migrationUid) ?? {};
  return (
    isEarlier(recorded?.metadata.creationTimestamp, migration.metadata.creationTimestamp) ??
    isEarlier(startTimestamp, copy?.startTimestamp) ??
    isEarlier(endTimestamp, copy?.endTimestamp) ??
    // The record of a migration whose object is gone, or not known yet.
    isEarlier(state.startTimestamp, migration.metadata.creationTimestamp, true) ??
    recorded === undefined
  );
}

/** Undefined when the times do not tell. `orSame`: the second one began only after the first. */
function isEarlier(
  one: string | null | undefined,
  other: string | null | undefined,
  orSame?: boolean,
): boolean | undefined {
  const [a, b] = [Date.parse(one ?? ""), Date.parse(other ?? "")];
  if (Number.isNaN(a) || Number.isNaN(b)) return undefined;
  return a === b ? orSame : a < b;
}
