import type { Attachment } from "@fairlead/cni";
import type { Workloads } from "@fairlead/ipam";
import type { Clock, Timer } from "./clock.ts";
import type { Timeline } from "./timeline.ts";

/** Makes migration targets the owners of their VM's addresses. */
export interface Promoter {
  /** Tries until it succeeds, `stop` is called, or a later epoch takes over. Calling again for the same epoch changes nothing. */
  promote(attachment: Attachment, epoch: number): void;
  stop(attachment: Attachment): void;
  /** How many promotions are being tried again. */
  pending(): number;
}

export interface PromoterOptions {
  readonly workloads: Pick<Workloads, "promote">;
  readonly clock: Clock;
  readonly timeline: Timeline;
  /** Called with each failure; the attempt is repeated anyway. */
  readonly onFailure?: (attachment: Attachment, attempt: number, error: unknown) => void;
}

const firstPause = 100;
const longestPause = 30_000;
const attemptDeadline = 10_000;

interface Attempt {
  readonly epoch: number;
  readonly abort: AbortController;
  timer?: Timer;
  done: boolean;
}

/** The pause doubles from 0.1 s to 30 s and then stays: an address whose owner is wrong is never given up on. */
export function createPromoter({
  workloads,
  clock,
  timeline,
  onFailure = () => {},
}: PromoterOptions): Promoter {
  const attempts = new Map<string, Attempt>();

  function stop({ hostInterface }: Attachment): void {
    const attempt = attempts.get(hostInterface);
    attempt?.abort.abort();
    attempt?.timer?.cancel();
    attempts.delete(hostInterface);
  }

  async function run(attachment: Attachment, attempt: Attempt, count: number): Promise<void> {
    const { vm, pod, network } = attachment;
    if (!vm) return;
    const endpoint = `${pod.namespace}/${pod.name}/${attachment.ifName}`;
    const { signal } = attempt.abort;
    try {
      await workloads.promote({
        network,
        vm: { namespace: pod.namespace, name: vm.name },
        pod,
        signal: AbortSignal.any([signal, AbortSignal.timeout(attemptDeadline)]),
      });
      attempt.done = true;
      timeline.record({ event: "promoted", endpoint, attempts: count });
    } catch (error) {
      if (signal.aborted) return;
      timeline.record({ event: "promotion-failed", endpoint, attempt: count, error: String(error) });
      onFailure(attachment, count, error);
      const pause = Math.min(longestPause, firstPause * 2 ** Math.min(count - 1, 20));
      attempt.timer = clock.after(pause, () => void run(attachment, attempt, count + 1));
    }
  }

  return {
    promote(attachment, epoch) {
      if (attempts.get(attachment.hostInterface)?.epoch === epoch) return;
      stop(attachment);
      const attempt: Attempt = { epoch, abort: new AbortController(), done: false };
      attempts.set(attachment.hostInterface, attempt);
      void run(attachment, attempt, 1);
    },
    stop,
    pending: () => [...attempts.values()].filter(({ done }) => !done).length,
  };
}
