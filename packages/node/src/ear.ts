import type { Attachment } from "@fairlead/cni";
import type { NetworkNamespace } from "@fairlead/netlink";
import type { StatePlan } from "@fairlead/routes";
import type { Announcement, Ear, Listening } from "./migration-components.ts";
import type { Reflex, Reflexes } from "./reflex.ts";
import type { Fired } from "./reflex-cell.ts";

export interface EarOptions {
  readonly reflexes: Reflexes;
  /** Namespace of the node; default: the process's own. */
  readonly netns?: NetworkNamespace | undefined;
  /** The guest's MAC: an announcement of any other is not its. */
  guestMacOf(attachment: Attachment): string | undefined;
  /** What elevates the endpoint's routes to a rank; undefined when that cannot be told beforehand. */
  elevationOf(attachment: Attachment, rank: number): StatePlan | undefined;
  readonly onProblem: (error: unknown, attachment: Attachment) => void;
}

const nothing: StatePlan = { changes: [], neighbours: [] };

/**
 * Listens on an endpoint's interface, and elevates its routes the moment the guest is heard. Without the guest's MAC, or when listening ends early,
 * nothing is heard and the API's word moves the routes: later, but never wrongly.
 */
export function createEar(options: EarOptions): Ear {
  const { reflexes, netns, guestMacOf, elevationOf, onProblem } = options;
  return {
    listen(attachment, rank, onHeard) {
      const { linkIndex, addresses } = attachment;
      const mac = guestMacOf(attachment);
      const isCurrent = (now: Attachment) => guestMacOf(now) === mac && now.linkIndex === linkIndex;
      if (linkIndex === undefined || mac === undefined) {
        const reason = "the guest's MAC is not known: waiting for the VMI to say that it has moved";
        onProblem(new Error(reason), attachment);
        return { ...deaf, isCurrent };
      }
      const announcementOf = (fired: Fired | undefined): Announcement | undefined =>
        fired && {
          kind: fired.kind,
          mac,
          at: fired.at,
          ...(fired.acknowledgedAt !== undefined && { elevatedAt: fired.acknowledgedAt }),
        };
      const response = elevationOf(attachment, rank) ?? nothing;
      const reflex: Reflex = reflexes.arm(
        { netns, linkIndex, mac, addresses, response },
        {
          fired() {
            const heard = announcementOf(reflex.read());
            if (heard) onHeard(heard);
          },
          problem: (error) => onProblem(error, attachment),
        },
      );
      return {
        ready: reflex.listening,
        isCurrent,
        read: () => announcementOf(reflex.read()),
        stop: () => announcementOf(reflex.stop()),
      };
    },
  };
}

const deaf: Omit<Listening, "isCurrent"> = {
  ready: Promise.resolve(),
  read: () => undefined,
  stop: () => undefined,
};
