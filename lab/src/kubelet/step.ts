import type { Container, Pod } from "@fairlead/api";
import type { ContainerRecord, PodRecord } from "./record.ts";

/** What to do next for a pod. */
export type Step =
  | { readonly do: "nothing" }
  /** Look again at this time (milliseconds since the epoch). */
  | { readonly do: "wait"; readonly until: number }
  /** Make a network namespace and run ADD. */
  | { readonly do: "attach" }
  | { readonly do: "start"; readonly container: Container; readonly init: boolean }
  /** SIGTERM to the containers' main processes. */
  | { readonly do: "terminate" }
  | { readonly do: "kill" }
  /** End what is left in the namespace, run DEL, remove the namespace. */
  | { readonly do: "detach" }
  /** Remove the object: nothing of the pod runs any more. */
  | { readonly do: "deleteObject" }
  /** Forget the pod: its object is gone. */
  | { readonly do: "forget" };

/** Milliseconds before the n-th new try, doubling from `first` to `longest`. */
export const backOff = { first: 500, longest: 30_000 } as const;

export function delayOf(failures: number): number {
  return Math.min(backOff.longest, backOff.first * 2 ** Math.max(0, failures - 1));
}

export function isFinal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

const nothing: Step = { do: "nothing" };

/**
 * The next step for a pod: `pod` is its object (undefined when it is gone), `record` what there is of it on the node. Pure;
 * called again after every step and every event until it says `nothing` or `wait`.
 */
export function nextStep(pod: Pod | undefined, record: PodRecord | undefined, now: number): Step {
  if (record === undefined) return withoutRecord(pod);
  if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return leaving(pod, record, now);
  if (record.detachedAt !== undefined) return nothing;
  if (record.attachedAt === undefined) {
    const retryAt = record.failure === undefined ? 0 : record.failure.at + delayOf(record.failures);
    return now < retryAt ? { do: "wait", until: retryAt } : { do: "attach" };
  }
  return running(pod, record, now);
}

function withoutRecord(pod: Pod | undefined): Step {
  if (pod === undefined) return nothing;
  if (pod.metadata.deletionTimestamp !== undefined) return { do: "deleteObject" };
  return isFinal(pod) ? nothing : { do: "attach" };
}

function leaving(pod: Pod | undefined, record: PodRecord, now: number): Step {
  if (alive(record).length > 0) {
    const asked = pod?.metadata.deletionGracePeriodSeconds;
    // An object deleted by force is gone at once: its processes get a second.
    return ending(record, (asked ?? (pod === undefined ? 1 : record.graceSeconds)) * 1000, now);
  }
  if (record.detachedAt === undefined) return { do: "detach" };
  return pod === undefined ? { do: "forget" } : { do: "deleteObject" };
}

function ending(record: PodRecord, grace: number, now: number): Step {
  if (record.terminateSentAt === undefined) return { do: "terminate" };
  const killAt = record.terminateSentAt + grace;
  if (now < killAt) return { do: "wait", until: killAt };
  return record.killSentAt === undefined ? { do: "kill" } : nothing;
}

function running(pod: Pod, record: PodRecord, now: number): Step {
  const waits: number[] = [];
  const recordOf = (name: string) => record.containers.find((container) => container.name === name);
  const restartOrWait = (last: ContainerRecord, container: Container, init: boolean): Step | undefined => {
    const at = last.exit!.at + delayOf(last.restarts + 1);
    if (now >= at) return { do: "start", container, init };
    waits.push(at);
    return undefined;
  };

  for (const container of pod.spec.initContainers ?? []) {
    const last = recordOf(container.name);
    const sidecar = container.restartPolicy === "Always";
    if (last === undefined) return { do: "start", container, init: true };
    if (last.exit === undefined) {
      if (sidecar) continue;
      return nothing;
    }
    if (!sidecar && last.exit.code === 0) continue;
    if (!sidecar && pod.spec.restartPolicy === "Never") return finish(record, now);
    const step = restartOrWait(last, container, true);
    if (step !== undefined) return step;
    if (!sidecar) return { do: "wait", until: Math.min(...waits) };
  }

  let unfinished = false;
  for (const container of pod.spec.containers) {
    const last = recordOf(container.name);
    if (last === undefined) return { do: "start", container, init: false };
    if (last.exit === undefined) unfinished = true;
    else if (restarts(pod, last)) {
      unfinished = true;
      const step = restartOrWait(last, container, false);
      if (step !== undefined) return step;
    }
  }
  if (!unfinished) return finish(record, now);
  return waits.length > 0 ? { do: "wait", until: Math.min(...waits) } : nothing;
}

/** Nothing will be started any more: end what still runs (sidecars), then give the network back at once. */
function finish(record: PodRecord, now: number): Step {
  return alive(record).length > 0 ? ending(record, record.graceSeconds * 1000, now) : { do: "detach" };
}

export function alive(record: PodRecord): ContainerRecord[] {
  return record.containers.filter((container) => container.exit === undefined);
}

/** Whether the pod's restart policy starts an ended container again. */
export function restarts(pod: Pod, container: ContainerRecord): boolean {
  const policy = pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && container.exit?.code !== 0);
}
