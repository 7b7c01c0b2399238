import {
  kinds,
  type MigrationState,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { faultsOf } from "../faults.ts";
import { launcherPod } from "../launcher-pod.ts";
import { defaultLimits, type MigrationLimits } from "../migration-monitor.ts";
import { annotations, finalizers, labels } from "../names.ts";
import { computeIsRunning, conditionOf, draft, enterPhase, isFinal, withCondition } from "../status.ts";
import { type Decision, decide, event, nothing, pointer, refOf, type Write } from "./decision.ts";
import { currentPod } from "./vmi.ts";

type Migration = VirtualMachineInstanceMigration;

export interface MigrationInput {
  readonly migration: Migration;
  readonly vmi: VirtualMachineInstance | undefined;
  /** Every pod of the VMI. */
  readonly pods: readonly Pod[];
  /** Every migration in the cluster, this one included. */
  readonly all: readonly Migration[];
  /** Node of the source of each migration under way, by VMI `namespace/name`: for the limit a node. */
  readonly sourceNodeOf: (migration: Migration) => string | undefined;
  /** `spec.configuration.migrations` of the KubeVirt object. */
  readonly configuration?: Partial<MigrationLimits> | undefined;
  readonly now: string;
  /** The same in milliseconds. */
  readonly nowMs: number;
}

/** KubeVirt's defaults. */
export const limits = {
  perCluster: 5,
  outboundPerNode: 2,
  /** Finished migrations kept per VMI. */
  kept: 5,
  unschedulableSeconds: 300,
  pendingSeconds: 900,
} as const;

const retryMs = 1_000;

/** virt-controller's work on one migration: one step of its phases a call. */
export function decideMigration(input: MigrationInput): Decision {
  const { migration, vmi, now } = input;
  const phase = migration.status?.phase || undefined;
  if (isFinal(phase)) return conclude(input);
  if (!migration.metadata.finalizers?.includes(finalizers.migration)) return admit(input);
  const reason = reasonToFail(input);
  if (reason !== undefined) return failMigration(input, reason);
  const cancelled = migration.metadata.deletionTimestamp !== undefined;
  if (cancelled && !isHandedOver(input)) return cancelEarly(input);
  switch (phase) {
    case undefined:
      return enter(input, "Pending", (status) => {
        status.migrationState = { sourcePod: currentPod(vmi!, input.pods)?.metadata.name ?? "" };
      });
    case "Pending":
      return targetPod(input) ? enter(input, "Scheduling") : createTarget(input);
    case "Scheduling":
      return computeIsRunning(targetPod(input)) ? enter(input, "Scheduled") : waitForPod(input);
    case "Scheduled":
      return isHandedOver(input) ? enter(input, "PreparingTarget") : handOver(input);
    case "PreparingTarget":
      return stateOf(input)?.targetNodeAddress ? enter(input, "TargetReady") : nothing;
    case "TargetReady":
      return stateOf(input)?.startTimestamp ? enter(input, "Running") : nothing;
    case "Running":
      return whileRunning(input, cancelled, now);
    default:
      return nothing;
  }
}

/** The VMI's migration state if it is about this migration. */
function stateOf({ migration, vmi }: MigrationInput): MigrationState | undefined {
  const state = vmi?.status?.migrationState;
  return state?.migrationUid === migration.metadata.uid ? state : undefined;
}

const isHandedOver = (input: MigrationInput) => stateOf(input)?.targetNode !== undefined;

export function targetPod({ migration, pods }: Pick<MigrationInput, "migration" | "pods">): Pod | undefined {
  return pods.find((pod) => pod.metadata.labels?.[labels.migrationJobUid] === migration.metadata.uid);
}

function sameVmi(a: Migration, b: Migration): boolean {
  return a.metadata.namespace === b.metadata.namespace && a.spec.vmiName === b.spec.vmiName;
}

/** What KubeVirt's webhooks do at creation. A refused one is marked Failed, for there is no admission here. */
function admit({ migration, vmi, all, now }: MigrationInput): Decision {
  const rival = all.find((other) => other !== migration && sameVmi(other, migration) && isLive(other));
  const refusal = refusalOf(migration, vmi, rival);
  const next = draft(migration);
  if (refusal !== undefined) {
    next.status = { ...next.status };
    enterPhase(next.status, "Failed", now);
    const write: Write = { do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next };
    return decide(write, event(migration, "FailedMigration", refusal, "Warning"));
  }
  next.metadata.labels = { ...next.metadata.labels, [labels.vmiName]: migration.spec.vmiName! };
  next.metadata.finalizers = [...(next.metadata.finalizers ?? []), finalizers.migration];
  return decide({ do: "replace", kind: kinds.VirtualMachineInstanceMigration, object: next });
}

const isLive = (migration: Migration) =>
  migration.metadata.finalizers?.includes(finalizers.migration) === true && !isFinal(migration.status?.phase);

/** Why KubeVirt's admission would refuse this migration, in its words. */
export function refusalOf(
  migration: Migration,
  vmi: VirtualMachineInstance | undefined,
  rival: Migration | undefined,
): string | undefined {
  const name = migration.spec.vmiName ?? "";
  if (vmi === undefined) return `the VMI "${migration.metadata.namespace}/${name}" does not exist`;
  if (isFinal(vmi.status?.phase)) return "Cannot migrate VMI in finalized state.";
  const migratable = conditionOf(vmi, "LiveMigratable");
  if (migratable?.status === "False") {
    return `Cannot migrate VMI, Reason: ${migratable.reason}, Message: ${migratable.message}`;
  }
  if (rival) {
    return `in-flight migration detected. Active migration job (${rival.metadata.uid}) is currently already in progress for VMI ${name}.`;
  }
  return undefined;
}

function reasonToFail(input: MigrationInput): string | undefined {
  const { migration, vmi, pods } = input;
  const phase = migration.status?.phase || undefined;
  if (vmi === undefined || isFinal(vmi.status?.phase) || vmi.metadata.deletionTimestamp) {
    return "Migration failed vmi shutdown during migration.";
  }
  const state = stateOf(input);
  if (state?.failed) return "source node reported migration failed";
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

function enter(
  { migration, now }: MigrationInput,
  phase: string,
  change?: (status: NonNullable<Migration["status"]>) => void,
  ...more: Write[]
): Decision {
  const next = draft(migration);
  next.status = { ...next.status };
  enterPhase(next.status, phase, now);
  change?.(next.status);
  return decide({ do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next }, ...more);
}

function createTarget(input: MigrationInput): Decision {
  const { migration, vmi, pods, all } = input;
  const running = all.filter((other) => other !== migration && isUnderWay(other));
  const node = vmi?.status?.nodeName;
  const outbound = running.filter((other) => input.sourceNodeOf(other) === node);
  const living = pods.filter((pod) => !isFinal(pod.status?.phase));
  const mustWait =
    running.length >= limits.perCluster ||
    outbound.length >= limits.outboundPerNode ||
    living.length > 1 ||
    vmi?.status?.phase !== "Running";
  if (mustWait) return { writes: [], again: retryMs };
  return decide(
    { do: "createPod", pod: launcherPod(vmi, migration) },
    event(migration, "SuccessfulCreate", "Created migration target pod"),
  );
}

/** Counts towards the limits: beyond Pending, not yet final. */
function isUnderWay(migration: Migration): boolean {
  const phase = migration.status?.phase;
  return phase !== undefined && phase !== "" && phase !== "Pending" && !isFinal(phase);
}

/** A target that cannot be scheduled, or does not come up, ends the migration after a while. */
function waitForPod(input: MigrationInput): Decision {
  const { migration, nowMs } = input;
  const pod = targetPod(input);
  if (pod?.status?.phase !== undefined && pod.status.phase !== "Pending") return nothing;
  const created = Date.parse(pod?.metadata.creationTimestamp ?? input.now);
  const unschedulable = pod && conditionOf(pod, "PodScheduled")?.status === "False";
  const key = unschedulable ? "migrationUnschedulablePodTimeoutSeconds" : "migrationPendingPodTimeoutSeconds";
  const given = Number(migration.metadata.annotations?.[`kubevirt.io/${key}`]);
  const seconds = given || (unschedulable ? limits.unschedulableSeconds : limits.pendingSeconds);
  if (!pod || nowMs - created < seconds * 1000) return { writes: [], again: retryMs };
  return decide({ do: "delete", kind: kinds.Pod, ref: refOf(pod), uid: pod.metadata.uid! });
}

/** One patch gives the VMI to its nodes: the whole migration state anew, and the label the target's virt-handler looks for. */
function handOver(input: MigrationInput): Decision {
  const { migration, vmi, pods } = input;
  const source = currentPod(vmi!, pods);
  const target = targetPod(input);
  const state: MigrationState = {
    migrationUid: migration.metadata.uid!,
    sourceNode: vmi!.status!.nodeName!,
    targetNode: target!.spec.nodeName!,
    sourcePod: source!.metadata.name,
    targetPod: target!.metadata.name,
    migrationConfiguration: {
      bandwidthPerMigration: "0",
      allowPostCopy: false,
      allowAutoConverge: false,
      ...defaultLimits,
      ...input.configuration,
      // Not KubeVirt's: how this stand-in's nodes learn what is to go wrong.
      faults: faultsOf(migration.metadata.annotations),
    },
  };
  const operations = [
    { op: "test" as const, path: "/metadata/resourceVersion", value: vmi!.metadata.resourceVersion },
    { op: "add" as const, path: "/status/migrationState", value: state },
    ...addLabel(vmi!, labels.migrationTargetNode, target!.spec.nodeName!),
  ];
  return decide(
    { do: "patch", kind: kinds.VirtualMachineInstance, ref: refOf(vmi!), operations },
    event(migration, "SuccessfulHandOver", "Migration target pod is ready for preparation by virt-handler."),
  );
}

function addLabel(object: VirtualMachineInstance, label: string, value: string) {
  if (object.metadata.labels)
    return [{ op: "add" as const, path: `/metadata/labels/${pointer(label)}`, value }];
  return [{ op: "add" as const, path: "/metadata/labels", value: { [label]: value } }];
}

function whileRunning(input: MigrationInput, cancelled: boolean, now: string): Decision {
  const state = stateOf(input);
  const vmi = input.vmi!;
  if (state?.completed && !state.failed) {
    const message = "Source node reported migration succeeded";
    return enter(input, "Succeeded", undefined, event(input.migration, "SuccessfulMigration", message));
  }
  const writes: Write[] = [];
  const target = targetPod(input);
  if (
    state?.targetNodeDomainReadyTimestamp &&
    target &&
    !target.metadata.annotations?.[annotations.targetReady]
  ) {
    const path = `/metadata/annotations/${pointer(annotations.targetReady)}`;
    const value = goTime(state.targetNodeDomainReadyTimestamp);
    writes.push({
      do: "patch",
      kind: kinds.Pod,
      ref: refOf(target),
      operations: [{ op: "add", path, value }],
    });
  }
  if (cancelled && !state?.abortRequested) {
    const operations = [
      { op: "test" as const, path: "/metadata/resourceVersion", value: vmi.metadata.resourceVersion },
      { op: "add" as const, path: "/status/migrationState/abortRequested", value: true },
    ];
    writes.push({ do: "patch", kind: kinds.VirtualMachineInstance, ref: refOf(vmi), operations });
    const message = "Migration is ready to be canceled by virt-handler.";
    writes.push(event(input.migration, "SuccessfulAbortMigration", message));
    if (!conditionOf(input.migration, "migrationAbortRequested")) {
      const next = draft(input.migration);
      next.status = { ...next.status, conditions: withAbort(next, now) };
      writes.push({ do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next });
    }
  }
  return { writes };
}

const withAbort = (migration: Migration, now: string) =>
  withCondition(migration.status?.conditions, {
    type: "migrationAbortRequested",
    status: "True",
    lastTransitionTime: now,
  });

/** Go's way to print a time, which is what KubeVirt puts into this annotation. */
export const goTime = (rfc3339: string): string =>
  `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 19)} +0000 UTC`;

/** Cancelled before any node was told: the target pod goes, the VMI never hears of it. */
function cancelEarly(input: MigrationInput): Decision {
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

function failMigration(input: MigrationInput, message: string): Decision {
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
function conclude(input: MigrationInput): Decision {
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
