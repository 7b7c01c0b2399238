import { kinds, type MigrationState, type VirtualMachineInstance } from "@fairlead/api";
import { faultsOf } from "../faults.ts";
import { launcherPod } from "../launcher-pod.ts";
import { defaultLimits } from "../migration-monitor.ts";
import { annotations, finalizers, labels } from "../names.ts";
import { computeIsRunning, conditionOf, draft, isFinal } from "../status.ts";
import { type Decision, decide, event, nothing, pointer, refOf, type Write } from "./decision.ts";
import { admit } from "./migration-admission.ts";
import { cancelEarly, conclude, failMigration, reasonToFail } from "./migration-end.ts";
import {
  enter,
  isHandedOver,
  limits,
  type Migration,
  type MigrationInput,
  stateOf,
  targetPod,
  withAbort,
} from "./migration-input.ts";
import { currentPod } from "./vmi.ts";

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

/** Go's way to print a time, which is what KubeVirt puts into this annotation. */
export const goTime = (rfc3339: string): string =>
  `${rfc3339.slice(0, 10)} ${rfc3339.slice(11, 19)} +0000 UTC`;
