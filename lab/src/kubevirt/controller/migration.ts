import { kinds, type MigrationState, type VirtualMachineInstance } from "@fairlead/api";
import { faultsOf, planOf } from "../faults.ts";
import { launcherPod } from "../launcher-pod.ts";
import { defaultLimits } from "../migration-monitor.ts";
import { annotations, labels } from "../names.ts";
import { computeIsRunning, conditionOf, draft, isFinal } from "../status.ts";
import {
  type Decision,
  decide,
  event,
  nothing,
  type PatchOperation,
  pointer,
  refOf,
  type Write,
} from "./decision.ts";
import { cancelEarly, conclude, failMigration, reasonToFail } from "./migration-end.ts";
import {
  enter,
  isHandedOver,
  limits,
  type Migration,
  type MigrationInput,
  rivalOf,
  stateOf,
  targetPod,
  withAbort,
} from "./migration-input.ts";
import { currentPod } from "./vmi.ts";

const retryMs = 1_000;

/** The user QEMU runs as. */
const nonRootUser = 107;

/** virt-controller's work on one migration: one step of its phases a call. */
export function decideMigration(input: MigrationInput): Decision {
  const { migration, vmi } = input;
  const phase = migration.status?.phase || undefined;
  if (isFinal(phase)) return conclude(input);
  const reason = reasonToFail(input);
  if (reason !== undefined) return failMigration(input, reason);
  const isCancelled = migration.metadata.deletionTimestamp !== undefined;
  if (isCancelled && !isHandedOver(input)) return cancelEarly(input);
  if (isCancelled && !conditionOf(migration, "migrationAbortRequested")) return noteCancellation(input);
  switch (phase) {
    case undefined:
      return enter(input, "Pending", (status) => setSourcePod(status, input));
    case "Pending":
      return whilePending(input);
    case "Scheduling":
      return computeIsRunning(targetPod(input)) ? enter(input, "Scheduled") : waitForPod(input);
    case "Scheduled":
      return isHandedOver(input) ? enter(input, "PreparingTarget") : handOver(input);
    case "PreparingTarget":
      return stateOf(input)?.targetNodeAddress ? enter(input, "TargetReady") : nothing;
    case "TargetReady":
      return stateOf(input)?.startTimestamp ? enter(input, "Running") : nothing;
    case "Running":
      return whileRunning(input, vmi!);
    default:
      return nothing;
  }
}

/**
 * Two migrations of a VMI can live at once: admission looks and does not lock. The second waits here, and what it says of the
 * source pod is as old as virt-controller's last look at it.
 */
function whilePending(input: MigrationInput): Decision {
  const { migration, vmi } = input;
  const next = draft(migration);
  next.status = { ...migration.status };
  setSourcePod(next.status, input);
  if (next.status.migrationState?.sourcePod !== migration.status?.migrationState?.sourcePod)
    return decide({ do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next });
  if (rivalOf(input)) return { writes: [], again: retryMs };
  if (targetPod(input)) return enter(input, "Scheduling");
  const annotation = annotations.nonRoot;
  if (vmi!.metadata.annotations?.[annotation] !== undefined) return createTarget(input);
  // KubeVirt's first migration of a VMI makes it one that runs without root.
  const operations = [
    { op: "test" as const, path: "/metadata/resourceVersion", value: vmi!.metadata.resourceVersion },
    ...(vmi!.metadata.annotations
      ? [{ op: "add" as const, path: `/metadata/annotations/${pointer(annotation)}`, value: "true" }]
      : [{ op: "add" as const, path: "/metadata/annotations", value: { [annotation]: "true" } }]),
    { op: "add" as const, path: "/status/runtimeUser", value: nonRootUser },
  ];
  return decide({ do: "patch", kind: kinds.VirtualMachineInstance, ref: refOf(vmi!), operations });
}

function setSourcePod(status: NonNullable<Migration["status"]>, { vmi, pods }: MigrationInput): void {
  const pod = currentPod(vmi!, pods);
  if (pod) status.migrationState = { ...status.migrationState, sourcePod: pod.metadata.name };
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
    // As it was when this migration left Pending.
    sourcePod: migration.status?.migrationState?.sourcePod ?? source!.metadata.name,
    targetPod: target!.metadata.name,
    migrationConfiguration: {
      bandwidthPerMigration: "0",
      allowAutoConverge: false,
      ...defaultLimits,
      ...input.configuration,
      // Not KubeVirt's: how this stand-in's nodes learn how it is to go, and how somebody can repeat it.
      faults: planOf(migration.metadata.uid!, {
        ...faultsOf(vmi!.metadata.annotations),
        ...faultsOf(migration.metadata.annotations),
      }),
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

function whileRunning(input: MigrationInput, vmi: VirtualMachineInstance): Decision {
  const state = stateOf(input);
  const target = targetPod(input);
  const arrivedAt = state?.targetNodeDomainReadyTimestamp;
  const isTold = target?.metadata.annotations?.[annotations.targetReady] !== undefined;
  const writes: Write[] = [];
  if (arrivedAt && target && !isTold) {
    const path = `/metadata/annotations/${pointer(annotations.targetReady)}`;
    const operations: PatchOperation[] = [{ op: "add", path, value: goTime(arrivedAt) }];
    writes.push({ do: "patch", kind: kinds.Pod, ref: refOf(target), operations });
  }
  if (state?.completed) {
    const message = "Source node reported migration succeeded";
    const succeeded = event(input.migration, "SuccessfulMigration", message);
    return { writes: [...writes, ...enter(input, "Succeeded", undefined, succeeded).writes] };
  }
  return { writes: [...writes, ...requestAbort(input, vmi)] };
}

/** Cancelled after the hand-over. Once it runs, its nodes are asked to abort it; they may find that they are too late. */
function noteCancellation(input: MigrationInput): Decision {
  const next = draft(input.migration);
  next.status = { ...next.status, conditions: withAbort(next, input.now) };
  const write: Write = { do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next };
  const isRunning = input.migration.status?.phase === "Running";
  return { writes: [...(isRunning ? requestAbort(input, input.vmi!) : []), write] };
}

function requestAbort(input: MigrationInput, vmi: VirtualMachineInstance): Write[] {
  const { migration } = input;
  const state = stateOf(input);
  if (!migration.metadata.deletionTimestamp || state?.abortRequested || state?.completed) return [];
  const operations = [
    { op: "test" as const, path: "/metadata/resourceVersion", value: vmi.metadata.resourceVersion },
    { op: "add" as const, path: "/status/migrationState/abortRequested", value: true },
  ];
  const message = "Migration is ready to be canceled by virt-handler.";
  return [
    { do: "patch", kind: kinds.VirtualMachineInstance, ref: refOf(vmi), operations },
    event(migration, "SuccessfulAbortMigration", message),
  ];
}

/** Go's way to print a time, which is what KubeVirt puts into this annotation. */
export const goTime = (rfc3339: string): string =>
  `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 19)} +0000 UTC`;
