import { kinds, type Pod, type VirtualMachineInstance } from "@fairlead/api";
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
  setActivePods(next, pods);
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
      else if (isFinal(current.status?.phase) && !isMovingAway(vmi)) {
        enterPhase(status, current.status?.phase ?? "Failed", now);
      } else {
        writes.push(...syncPod(vmi, current, now));
        if (phase === "Running") setReady(next, current);
      }
  }
  if (JSON.stringify(next) !== JSON.stringify(vmi)) {
    writes.unshift({ do: "replace", kind: kinds.VirtualMachineInstance, object: next });
  }
  return { writes };
}

/** The pod the guest runs in: on the VMI's node, or the only one before a node is known. Targets do not count. */
export function currentPod(vmi: VirtualMachineInstance, pods: readonly Pod[]): Pod | undefined {
  const node = vmi.status?.nodeName;
  const here = pods.filter((pod) => node === undefined || pod.spec.nodeName === node);
  // After A to B to A, the finished pod of the first stay on A is still there.
  return here.find((pod) => !isFinal(pod.status?.phase)) ?? here.at(-1);
}

/** The source's pod may finish before the node's hand-over is written; that is no end of the VMI. */
function isMovingAway(vmi: VirtualMachineInstance): boolean {
  const state = vmi.status?.migrationState;
  const arrived = state?.targetNodeDomainReadyTimestamp ?? state?.targetNodeDomainDetected;
  return Boolean(arrived) && !state?.endTimestamp && vmi.status?.nodeName === state?.sourceNode;
}

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

function setActivePods(vmi: VirtualMachineInstance, pods: readonly Pod[]): void {
  const active = Object.fromEntries(pods.map((pod) => [pod.metadata.uid!, pod.spec.nodeName ?? ""]).sort());
  const before = vmi.status?.activePods ?? {};
  const same = JSON.stringify(Object.entries(before).sort()) === JSON.stringify(Object.entries(active));
  if (!same) statusOf(vmi).activePods = active;
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
  const mirrored = ready
    ? { type: "Ready", status: ready.status, ...(ready.reason !== undefined && { reason: ready.reason }) }
    : { type: "Ready", status: "False" as const, reason: "PodConditionMissing" };
  status.conditions = withCondition(status.conditions, mirrored);
}

/** Keeps node label and readiness gate on the pod the guest runs in, and only there. */
function syncPod(vmi: VirtualMachineInstance, pod: Pod, now: string): Write[] {
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
  if (runs && pod.status?.conditions && conditionOf(pod, unpausedCondition)?.status !== "True") {
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
