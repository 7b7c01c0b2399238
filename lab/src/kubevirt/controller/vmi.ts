import { kinds, type Pod, type VirtualMachineInstance } from "@fairlead/api";
import { faultsOf, type Plan, planIn, planOf } from "../faults.ts";
import { launcherPod } from "../launcher-pod.ts";
import { podInterface } from "../migratability.ts";
import { annotations, finalizers, labels, unpausedCondition } from "../names.ts";
import {
  computeIsRunning,
  conditionOf,
  draft,
  enterPhase,
  isFinal,
  statusOf,
  withCondition,
} from "../status.ts";
import { type Decision, decide, event, nothing, pointer, refOf, type Write } from "./decision.ts";

export interface VmiInput {
  readonly vmi: VirtualMachineInstance;
  /** Every pod the VMI controls, finished ones included. */
  readonly pods: readonly Pod[];
  /** RFC 3339. */
  readonly now: string;
  /** Milliseconds since something about a pod (`<uid>/...`) was first asked for. */
  readonly ageOf: (thing: string) => number;
}

/** virt-controller's work on one VMI: its pod, its phase until a node takes over, its end. One step a call. */
export function decideVmi(input: VmiInput): Decision {
  const { vmi, pods, now } = input;
  const phase = vmi.status?.phase;
  const dying = vmi.metadata.deletionTimestamp !== undefined;
  if (isFinal(phase)) return dying ? removeRemains(vmi, pods) : nothing;
  if (dying) return endDeleted(input);
  const next = draft(vmi);
  const status = statusOf(next);
  const writes: Write[] = [];
  if (!phase) admit(next, now);
  const waits = setActivePods(next, input);
  const current = currentPod(vmi, pods);
  switch (phase) {
    case "Pending":
      if (pods.length === 0) {
        const pod = launcherPod(vmi);
        return decide(
          { do: "createPod", pod },
          event(vmi, "SuccessfulCreate", "Created virtual machine pod"),
        );
      }
      enterPhase(status, "Scheduling", now);
      break;
    case "Scheduling":
      if (current === undefined || isFinal(current.status?.phase)) fail(next, now);
      else if (computeIsRunning(current)) schedule(next, current, now);
      break;
    case "Scheduled":
    case "Running":
      if (current === undefined) fail(next, now);
      else if (isFinal(current.status?.phase)) {
        if (isLeaving(vmi)) setReady(next, current);
        else enterPhase(status, hasFailedToMove(vmi) ? "Failed" : current.status!.phase!, now);
      } else {
        const { mayBeReady, mayBeUnready, again } = readinessOf(input, current);
        waits.push(again);
        writes.push(...syncPod(vmi, current, now, mayBeReady));
        if (phase === "Running" && mayBeUnready) setReady(next, current);
      }
  }
  if (JSON.stringify(next) !== JSON.stringify(vmi)) {
    const replace: Write = { do: "replace", kind: kinds.VirtualMachineInstance, object: next };
    if (current && planFor(vmi, current).podBeforeVmi) writes.push(replace);
    else writes.unshift(replace);
  }
  const again = Math.min(...waits.filter((wait) => wait > 0));
  return { writes, ...(Number.isFinite(again) && { again }) };
}

/** The pod the guest runs in: on the VMI's node, or the only one before a node is known. Targets do not count. */
export function currentPod(vmi: VirtualMachineInstance, pods: readonly Pod[]): Pod | undefined {
  const node = vmi.status?.nodeName;
  const here = pods.filter((pod) => node === undefined || pod.spec.nodeName === node);
  // After A to B to A, the finished pod of the first stay on A is still there.
  return here.find((pod) => !isFinal(pod.status?.phase)) ?? here.at(-1);
}

/**
 * The pod of a guest that moves may end long before its new node says that it has arrived. That is no end of the VMI, unless
 * the migration has failed: then the guest is nowhere.
 */
function isLeaving(vmi: VirtualMachineInstance): boolean {
  const state = vmi.status?.migrationState;
  return state?.targetNode !== undefined && !state.failed && !state.completed && !state.endTimestamp;
}

/** The target died with the guest: where the guest had come from its pod ends as if all were well. */
const hasFailedToMove = ({ status }: VirtualMachineInstance): boolean =>
  status?.migrationState?.failed === true && status.migrationState.sourceNode === status.nodeName;

/** How things go for this pod: what its migration was given, or what was drawn for the pod itself. */
function planFor(vmi: VirtualMachineInstance, pod: Pod): Plan {
  const state = vmi.status?.migrationState;
  const isItsTarget = pod.metadata.labels?.[labels.migrationJobUid] === state?.migrationUid;
  if (state?.migrationUid !== undefined && isItsTarget) return planIn(state);
  return planOf(pod.metadata.uid!, faultsOf(vmi.metadata.annotations));
}

/** Between the acknowledgement and the opening of a target's readiness gate virt-controller takes its time. */
function readinessOf({ vmi, ageOf }: VmiInput, pod: Pod) {
  const uid = pod.metadata.labels?.[labels.migrationJobUid];
  const isArriving = uid !== undefined && !isReady(pod);
  if (!isArriving) return { mayBeReady: true, mayBeUnready: true, again: 0 };
  const { podReadyMs, notReadyMs } = planFor(vmi, pod);
  const age = ageOf(`${pod.metadata.uid}/acknowledged`);
  const [unready, ready] = [podReadyMs - notReadyMs - age, podReadyMs - age];
  return { mayBeReady: ready <= 0, mayBeUnready: unready <= 0, again: unready > 0 ? unready : ready };
}

const isReady = (pod: Pod): boolean => conditionOf(pod, "Ready")?.status === "True";

/** What KubeVirt's webhooks would have done at creation. */
function admit(vmi: VirtualMachineInstance, now: string): void {
  const held = vmi.metadata.finalizers ?? [];
  if (!held.includes(finalizers.vmi)) vmi.metadata.finalizers = [...held, finalizers.vmi];
  vmi.metadata.annotations = {
    ...vmi.metadata.annotations,
    [annotations.latestApi]: "v1",
    [annotations.storageApi]: "v1",
  };
  const adapter = podInterface(vmi);
  if (adapter && !vmi.spec.networks?.length && !vmi.spec.domain?.devices?.interfaces?.length) {
    vmi.spec.networks = [{ name: adapter.name, pod: {} }];
    vmi.spec.domain = { ...vmi.spec.domain, devices: { ...vmi.spec.domain?.devices, interfaces: [adapter] } };
  }
  enterPhase(statusOf(vmi), "Pending", now);
}

/** Lists the pods that virt-controller has taken notice of by now. Returns the milliseconds until it will of the others. */
function setActivePods(next: VirtualMachineInstance, { vmi, pods, ageOf }: VmiInput): number[] {
  const before = vmi.status?.activePods ?? {};
  const waitFor = (pod: Pod): number => {
    const uid = pod.metadata.uid!;
    return uid in before ? 0 : planFor(vmi, pod).activePodsMs - ageOf(`${uid}/made`);
  };
  const known = pods.filter((pod) => waitFor(pod) <= 0);
  const active = Object.fromEntries(known.map((pod) => [pod.metadata.uid!, pod.spec.nodeName ?? ""]).sort());
  const same = JSON.stringify(Object.entries(before).sort()) === JSON.stringify(Object.entries(active));
  if (!same) statusOf(next).activePods = active;
  return pods.map(waitFor).filter((wait) => wait > 0);
}

function schedule(vmi: VirtualMachineInstance, pod: Pod, now: string): void {
  const status = statusOf(vmi);
  status.nodeName = pod.spec.nodeName!;
  status.migrationTransport = "Unix";
  status.interfaces = [{ name: podInterface(vmi)?.name ?? "default", podInterfaceName: "eth0" }];
  vmi.metadata.labels = { ...vmi.metadata.labels, [labels.nodeName]: pod.spec.nodeName! };
  enterPhase(status, "Scheduled", now);
}

function fail(vmi: VirtualMachineInstance, now: string): void {
  enterPhase(statusOf(vmi), "Failed", now);
}

/** Ready mirrors the pod's. */
function setReady(vmi: VirtualMachineInstance, pod: Pod): void {
  const ready = conditionOf(pod, "Ready");
  const status = statusOf(vmi);
  const not = (reason: string) => ({ type: "Ready", status: "False" as const, reason });
  const mirrored = ready && {
    type: "Ready",
    status: ready.status,
    ...(ready.reason !== undefined && { reason: ready.reason }),
  };
  const isGoing = isFinal(pod.status?.phase) || pod.metadata.deletionTimestamp !== undefined;
  const condition = isGoing ? not("PodTerminating") : (mirrored ?? not("PodConditionMissing"));
  status.conditions = withCondition(status.conditions, condition);
}

/** Keeps node label and readiness gate on the pod the guest runs in, and only there. */
function syncPod(vmi: VirtualMachineInstance, pod: Pod, now: string, mayBeReady: boolean): Write[] {
  const writes: Write[] = [];
  const node = vmi.metadata.labels?.[labels.nodeName];
  if (node !== undefined && pod.metadata.labels?.[labels.nodeName] !== node) {
    const path = `/metadata/labels/${pointer(labels.nodeName)}`;
    writes.push({
      do: "patch",
      kind: kinds.Pod,
      ref: refOf(pod),
      operations: [{ op: "add", path, value: node }],
    });
  }
  const runs = vmi.status?.phase === "Running";
  if (
    runs &&
    mayBeReady &&
    pod.status?.conditions &&
    conditionOf(pod, unpausedCondition)?.status !== "True"
  ) {
    const others = pod.status.conditions.filter(({ type }) => type !== unpausedCondition);
    const value = [
      ...others,
      { type: unpausedCondition, status: "True", lastTransitionTime: now, reason: "NotPaused" },
    ];
    const operations = [
      { op: "test" as const, path: "/metadata/resourceVersion", value: pod.metadata.resourceVersion },
      { op: "add" as const, path: "/status/conditions", value },
    ];
    writes.push({ do: "patch", kind: kinds.Pod, ref: refOf(pod), operations, subresource: "status" });
  }
  return writes;
}

function endDeleted({ vmi, pods, now }: VmiInput): Decision {
  const living = pods.filter((pod) => !isFinal(pod.status?.phase));
  if (living.length > 0) return { writes: deletions(living) };
  const next = draft(vmi);
  const obeyed = pods.length > 0 && pods.every((pod) => pod.status?.phase === "Succeeded");
  enterPhase(statusOf(next), obeyed || pods.length === 0 ? "Succeeded" : "Failed", now);
  return decide({ do: "replace", kind: kinds.VirtualMachineInstance, object: next });
}

/** Finalizers go once no pod is left. The VM controller's own finalizer goes with ours: it saw the final phase. */
function removeRemains(vmi: VirtualMachineInstance, pods: readonly Pod[]): Decision {
  if (pods.length > 0) return { writes: deletions(pods) };
  const next = draft(vmi);
  const ours: readonly string[] = [finalizers.vmi, finalizers.vm];
  next.metadata.finalizers = (vmi.metadata.finalizers ?? []).filter((name) => !ours.includes(name));
  if (next.metadata.finalizers.length === vmi.metadata.finalizers?.length) return nothing;
  return decide({ do: "replace", kind: kinds.VirtualMachineInstance, object: next });
}

function deletions(pods: readonly Pod[]): Write[] {
  return pods
    .filter((pod) => pod.metadata.deletionTimestamp === undefined)
    .map((pod) => ({ do: "delete", kind: kinds.Pod, ref: refOf(pod), uid: pod.metadata.uid! }));
}
