import type { Condition, Pod, PodPhase, PodStatus } from "@fairlead/api";
import type { ContainerRecord, PodRecord } from "./record.ts";
import { restarts } from "./step.ts";

type ContainerStatus = NonNullable<PodStatus["containerStatuses"]>[number];

/**
 * The status a kubelet reports for a pod. Pure. `hostIPs` are the node's addresses. Conditions of others (readiness gates) are
 * not repeated: status is written as a patch that leaves them alone.
 */
export function podStatus(
  pod: Pod,
  record: PodRecord | undefined,
  hostIPs: readonly string[],
  now: number,
): PodStatus {
  const attached = record?.attachedAt !== undefined;
  const lastOf = (name: string) => record?.containers.find((container) => container.name === name);
  const inits = (pod.spec.initContainers ?? []).map(({ name, ...spec }) => ({
    name,
    spec,
    last: lastOf(name),
  }));
  const mains = pod.spec.containers.map(({ name, ...spec }) => ({ name, spec, last: lastOf(name) }));
  const initialized = inits.every(({ spec, last }) =>
    spec.restartPolicy === "Always" ? last !== undefined : last?.exit?.code === 0,
  );
  const initFailed =
    pod.spec.restartPolicy === "Never" &&
    inits.some(({ spec, last }) => spec.restartPolicy !== "Always" && (last?.exit?.code ?? 0) !== 0);
  const phase = phaseOf(
    pod,
    mains.map(({ last }) => last),
    initFailed,
  );
  const containersReady =
    attached && initialized && mains.every(({ last }) => last !== undefined && last.exit === undefined);
  const gates = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const openGates = gates.filter((type) => conditionOf(pod, type)?.status !== "True");
  const final = phase === "Succeeded" || phase === "Failed";
  const notReady = final ? "PodCompleted" : "ContainersNotReady";

  const conditions = [
    condition(
      "PodReadyToStartContainers",
      attached && record?.detachedAt === undefined,
      undefined,
      record?.failure?.message,
    ),
    condition("Initialized", initialized || final, "ContainersNotInitialized"),
    condition("ContainersReady", containersReady, notReady),
    containersReady && openGates.length > 0
      ? condition("Ready", false, "ReadinessGatesNotReady", `conditions not True: ${openGates.join(", ")}`)
      : condition("Ready", containersReady, notReady),
    condition("PodScheduled", true),
  ].map((next) => withTransition(next, conditionOf(pod, next.type), now));

  const addresses = pod.spec.hostNetwork ? hostIPs : (record?.addresses ?? []);
  return {
    phase,
    ...(record && { startTime: iso(record.createdAt) }),
    ...(hostIPs.length > 0 && { hostIP: hostIPs[0]!, hostIPs: hostIPs.map((ip) => ({ ip })) }),
    ...(addresses.length > 0 && { podIP: addresses[0]!, podIPs: addresses.map((ip) => ({ ip })) }),
    conditions,
    ...(inits.length > 0 && {
      initContainerStatuses: inits.map(({ name, spec, last }) => containerStatus(name, spec.image, last)),
    }),
    containerStatuses: mains.map(({ name, spec, last }) => containerStatus(name, spec.image, last)),
  };
}

function phaseOf(pod: Pod, mains: readonly (ContainerRecord | undefined)[], initFailed: boolean): PodPhase {
  if (initFailed) return "Failed";
  if (mains.some((last) => last === undefined)) return "Pending";
  const leaving = pod.metadata.deletionTimestamp !== undefined;
  const over = mains.every((last) => last?.exit !== undefined && (leaving || !restarts(pod, last)));
  if (!over) return "Running";
  return mains.every((last) => last?.exit?.code === 0) ? "Succeeded" : "Failed";
}

function containerStatus(
  name: string,
  image: string | undefined,
  last: ContainerRecord | undefined,
): ContainerStatus {
  const runs = last !== undefined && last.exit === undefined;
  return {
    name,
    image: image ?? "",
    imageID: "",
    ...(last && { containerID: `lab://${last.pid}-${last.startTime}` }),
    ready: runs,
    started: runs,
    restartCount: last?.restarts ?? 0,
    state: stateOf(last),
    lastState: last?.previousExit ? { terminated: terminated(last.previousExit) } : {},
  };
}

function stateOf(last: ContainerRecord | undefined): Record<string, unknown> {
  if (last === undefined) return { waiting: { reason: "ContainerCreating" } };
  if (last.exit === undefined) return { running: { startedAt: iso(last.startedAt) } };
  return { terminated: { ...terminated(last.exit), startedAt: iso(last.startedAt) } };
}

function terminated(exit: { readonly code: number; readonly at: number }) {
  return { exitCode: exit.code, reason: exit.code === 0 ? "Completed" : "Error", finishedAt: iso(exit.at) };
}

function condition(type: string, holds: boolean, reason?: string, message?: string): Condition {
  const why = { ...(reason !== undefined && { reason }), ...(message !== undefined && { message }) };
  return { type, status: holds ? "True" : "False", ...(!holds && why) };
}

function conditionOf(pod: Pod, type: string): Condition | undefined {
  return pod.status?.conditions?.find((c) => c.type === type);
}

/** The time of the last change of a condition survives writes that change nothing. */
function withTransition(next: Condition, present: Condition | undefined, now: number): Condition {
  const since = present?.status === next.status ? present.lastTransitionTime : undefined;
  return { ...next, lastTransitionTime: since ?? iso(now) };
}

/** As Kubernetes writes times: whole seconds. */
function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, "Z");
}
