import type { Attachment } from "@fairlead/cni";
import type { NetworkNamespace } from "@fairlead/netlink";
import type { Reflexes } from "./reflex.ts";
import type { Timeline } from "./timeline.ts";

/** The guests that are about to leave this node. */
export interface Departures {
  /** Says whether a migration away from this endpoint is under way. Safe to repeat. */
  set(attachment: Attachment, isLeaving: boolean): void;
  close(): void;
}

export interface DeparturesOptions {
  readonly reflexes: Pick<Reflexes, "seeOff">;
  /** Namespace of the node; default: the process's own. */
  readonly netns?: NetworkNamespace | undefined;
  readonly timeline: Timeline;
  readonly onSent: (packets: number) => void;
  readonly onProblem: (error: unknown, attachment: Attachment) => void;
}

/** Has what arrives for a guest that is leaving kept, and sent after it. */
export function createDepartures({ reflexes, netns, timeline, ...options }: DeparturesOptions): Departures {
  const leaving = new Map<string, { readonly containerId: string; readonly end: Disposable }>();

  function stop(hostInterface: string): void {
    leaving.get(hostInterface)?.end[Symbol.dispose]();
    leaving.delete(hostInterface);
  }

  function begin(attachment: Attachment): Disposable | undefined {
    const { linkIndex, addresses, pod, ifName } = attachment;
    if (linkIndex === undefined) return undefined;
    return reflexes.seeOff(
      { netns, pod: attachment.netns, linkIndex, addresses },
      {
        sent(packets, family) {
          options.onSent(packets);
          timeline.record({
            event: "stragglers",
            endpoint: `${pod.namespace}/${pod.name}/${ifName}`,
            family,
            packets,
          });
        },
        problem: (error) => options.onProblem(error, attachment),
      },
    );
  }

  return {
    set(attachment, isLeaving) {
      const { hostInterface, containerId } = attachment;
      const known = leaving.get(hostInterface);
      // The end of one container is not that of the next.
      if (isLeaving === (known?.containerId === containerId)) return;
      stop(hostInterface);
      const end = isLeaving ? begin(attachment) : undefined;
      if (end) leaving.set(hostInterface, { containerId, end });
    },
    close() {
      for (const hostInterface of [...leaving.keys()]) stop(hostInterface);
    },
  };
}
