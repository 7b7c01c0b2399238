import { kinds, type MigrationState } from "@fairlead/api";
import { finalizers } from "../names.ts";
import { draft, isFinal } from "../status.ts";
import { type Decision, decide, event, refOf, type Write } from "./decision.ts";
import {
  enter,
  limits,
  type Migration,
  type MigrationInput,
  rivalOf,
  sameVmi,
  stateOf,
  targetPod,
  withAbort,
} from "./migration-input.ts";

/** Why a migration can only fail from here; undefined while it may succeed. */
export function reasonToFail(input: MigrationInput): string | undefined {
  const { migration, vmi, pods } = input;
  const phase = migration.status?.phase || undefined;
  if (vmi === undefined || isFinal(vmi.status?.phase) || vmi.metadata.deletionTimestamp) {
    return "Migration failed vmi shutdown during migration.";
  }
  const state = stateOf(input);
  if (state?.failed) return "source node reported migration failed";
  if (phase === undefined && rivalOf(input))
    return "VMI is not eligible for migration because another migration job is in progress.";
  if (phase === undefined || phase === "Pending") return undefined;
  if (state?.completed) return undefined;
  const pod = targetPod(input);
  if (pod === undefined) {
    // Between the pod's creation and this read nothing may be seen of it yet; later its absence is a fact.
    return phase === "Scheduling" && pods.length === 0
      ? undefined
      : "Migration target pod was removed during active migration.";
  }
  if (isFinal(pod.status?.phase)) return "Migration failed because target pod shutdown during migration";
  const after = ["PreparingTarget", "TargetReady", "Running"].includes(phase);
  if (after && vmi.status?.migrationState === undefined)
    return "VMI's migration state was cleared during migration";
  if (after && state === undefined) return "VMI's migration state was taken over by another migration job";
  return undefined;
}

/** Cancelled before any node was told: the target pod goes, the VMI never hears of it. */
export function cancelEarly(input: MigrationInput): Decision {
  const pod = targetPod(input);
  const deletion: Write[] =
    pod && !pod.metadata.deletionTimestamp
      ? [
          { do: "delete", kind: kinds.Pod, ref: refOf(pod), uid: pod.metadata.uid! },
          event(
            input.migration,
            "SuccessfulDelete",
            `migration canceled and pod ${pod.metadata.namespace}/${pod.metadata.name} is deleted`,
          ),
        ]
      : [];
  const failed = failMigration(input, "Migration failed due to being canceled");
  return { writes: [...deletion, ...failed.writes] };
}

export function failMigration(input: MigrationInput, message: string): Decision {
  const { vmi, now, migration } = input;
  const state = stateOf(input);
  const writes: Write[] = [];
  if (vmi && state?.targetNode && !state.failed && !state.completed && !isFinal(vmi.status?.phase)) {
    const value: MigrationState = {
      ...state,
      failed: true,
      completed: true,
      startTimestamp: state.startTimestamp ?? now,
      endTimestamp: now,
      failureReason: "Target pod is down",
    };
    const operations = [
      { op: "test" as const, path: "/status/migrationState/migrationUid", value: state.migrationUid },
      { op: "replace" as const, path: "/status/migrationState", value },
    ];
    writes.push({ do: "patch", kind: kinds.VirtualMachineInstance, ref: refOf(vmi), operations });
  }
  const cancelled = migration.metadata.deletionTimestamp !== undefined;
  const failed = enter(
    input,
    "Failed",
    (status) => {
      if (cancelled) status.conditions = withAbort(migration, now);
    },
    event(migration, "FailedMigration", message, "Warning"),
  );
  return { writes: [...writes, ...failed.writes] };
}

/** After the end: the VMI's account is copied, the finalizer goes, old ones are collected. */
export function conclude(input: MigrationInput): Decision {
  const { migration, all } = input;
  const state = stateOf(input);
  const copied = migration.status?.migrationState?.migrationUid === migration.metadata.uid;
  if (state?.endTimestamp && !copied) {
    const next = draft(migration);
    next.status = { ...next.status, migrationState: state };
    return decide({ do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next });
  }
  if (migration.metadata.finalizers?.includes(finalizers.migration)) {
    const next = draft(migration);
    next.metadata.finalizers = migration.metadata.finalizers.filter((name) => name !== finalizers.migration);
    return decide({ do: "replace", kind: kinds.VirtualMachineInstanceMigration, object: next });
  }
  return { writes: collect(migration, all) };
}

function collect(migration: Migration, all: readonly Migration[]): Write[] {
  const newestFirst = (a: Migration, b: Migration) =>
    (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "") ||
    b.metadata.name.localeCompare(a.metadata.name);
  return all
    .filter((other) => sameVmi(other, migration) && isFinal(other.status?.phase))
    .sort(newestFirst)
    .slice(limits.kept)
    .filter((old) => !old.metadata.deletionTimestamp)
    .map((old) => ({
      do: "delete",
      kind: kinds.VirtualMachineInstanceMigration,
      ref: refOf(old),
      uid: old.metadata.uid!,
    }));
}
