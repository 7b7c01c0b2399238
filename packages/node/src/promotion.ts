import type { Attachment } from "@fairlead/cni";
import type { Workloads } from "@fairlead/ipam";
import type { Clock, Timer } from "./clock.ts";
import type { Claim } from "./migration.ts";
import type { Timeline } from "./timeline.ts";

/** Makes pods in which KubeVirt says a guest runs the owners of their VM's addresses. */
export interface Promoter {
  /**
   * The API says that the guest runs in this pod. Tries until it is recorded as the owner, KubeVirt itself says otherwise, or `stop` is
   * called. Calling again changes nothing unless something new is known: another migration, or after KubeVirt said otherwise a newer VMI.
   */
  promote(attachment: Attachment, claim: Claim): void;
  /** The API says that the guest runs elsewhere, or the endpoint is gone. */
  stop(attachment: Attachment): void;
  /** How many promotions are being tried again. */
  pending(): number;
}

export interface PromoterOptions {
  readonly workloads: Pick<Workloads, "promote">;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly timeline: Timeline;
  /** Called with each failure; the attempt is repeated anyway. */
  readonly onFailure?: (attachment: Attachment, attempt: number, error: unknown) => void;
}

const firstPause = 100;
const longestPause = 30_000;
const attemptDeadline = 10_000;

interface Attempt {
  readonly containerId: string;
  readonly claim: Claim;
  readonly abort: AbortController;
  timer?: Timer;
  outcome?: "owner" | "elsewhere";
}

/** The pause doubles from 0.1 s to 30 s and then stays: an address whose owner is wrong is never given up on. */
export function createPromoter({
  workloads,
  nodeName,
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

  function isNews({ containerId, hostInterface }: Attachment, claim: Claim): boolean {
    const attempt = attempts.get(hostInterface);
    if (attempt?.containerId !== containerId || attempt.claim.migration !== claim.migration) return true;
    return attempt.outcome === "elsewhere" && attempt.claim.revision !== claim.revision;
  }

  async function run(attachment: Attachment, attempt: Attempt, count: number): Promise<void> {
    const { vm, pod, network, ifName, containerId } = attachment;
    if (!vm) return;
    const endpoint = `${pod.namespace}/${pod.name}/${ifName}`;
    const { signal } = attempt.abort;
    try {
      const outcome = await workloads.promote({
        network,
        vm: { namespace: pod.namespace, name: vm.name, vmUid: vm.vmUid, vmiUid: vm.vmiUid },
        pod,
        node: nodeName,
        containerId,
        signal: AbortSignal.any([signal, AbortSignal.timeout(attemptDeadline)]),
      });
      if (signal.aborted) return;
      attempt.outcome = outcome;
      if (outcome === "owner") timeline.record({ event: "promoted", endpoint, attempts: count });
      else timeline.record({ event: "promotion-declined", endpoint, attempt: count });
    } catch (error) {
      if (signal.aborted) return;
      timeline.record({ event: "promotion-failed", endpoint, attempt: count, error: String(error) });
      onFailure(attachment, count, error);
      const pause = Math.min(longestPause, firstPause * 2 ** Math.min(count - 1, 20));
      attempt.timer = clock.after(pause, () => void run(attachment, attempt, count + 1));
    }
  }

  return {
    promote(attachment, claim) {
      if (!isNews(attachment, claim)) return;
      stop(attachment);
      const { containerId } = attachment;
      const attempt: Attempt = { containerId, claim, abort: new AbortController() };
      attempts.set(attachment.hostInterface, attempt);
      void run(attachment, attempt, 1);
    },
    stop,
    pending: () => [...attempts.values()].filter(({ outcome }) => outcome === undefined).length,
  };
}
