import type { Condition, Pod, VirtualMachineInstance, VirtualMachineInstanceStatus } from "@fairlead/api";

/** RFC 3339 with whole seconds, as the API server writes times: `2026-08-22T10:34:54Z`. */
export const timestamp = (milliseconds: number): string =>
  `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;

/** A copy that may be changed. */
export const draft = <T>(object: T): T => structuredClone(object);

/** The list with this condition in it; an unchanged one keeps its transition time. */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  condition: Condition,
): Condition[] {
  const others = (conditions ?? []).filter(({ type }) => type !== condition.type);
  const same = conditions?.find(({ type }) => type === condition.type);
  if (same?.status === condition.status && same.reason === condition.reason) return [...conditions!];
  return [...others, condition];
}

export function conditionOf(
  object: { status?: { conditions?: Condition[] } } | undefined,
  type: string,
): Condition | undefined {
  return object?.status?.conditions?.find((condition) => condition.type === type);
}

/** Sets the phase and notes when it was first entered. */
export function enterPhase(
  status: {
    phase?: string;
    phaseTransitionTimestamps?: { phase: string; phaseTransitionTimestamp: string }[];
  },
  phase: string,
  now: string,
): void {
  status.phase = phase;
  const entered = status.phaseTransitionTimestamps ?? [];
  if (entered.some((entry) => entry.phase === phase)) return;
  status.phaseTransitionTimestamps = [...entered, { phase, phaseTransitionTimestamp: now }];
}

/** The status of a draft, made if it has none. */
export function statusOf(vmi: VirtualMachineInstance): VirtualMachineInstanceStatus {
  vmi.status ??= {};
  return vmi.status;
}

export const isFinal = (phase: string | undefined): boolean => phase === "Succeeded" || phase === "Failed";

/** KubeVirt's notion of a launcher pod that is ready: its compute container runs. Not the pod's Ready condition. */
export function computeIsRunning(pod: Pod | undefined): boolean {
  const compute = pod?.status?.containerStatuses?.find(({ name }) => name === "compute");
  return pod?.status?.phase === "Running" && compute?.state?.running !== undefined;
}
