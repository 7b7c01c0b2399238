import type { Attachment } from "@fairlead/cni";
import type { AnnouncementListener } from "@fairlead/garp";
import type { NetworkNamespace } from "@fairlead/netlink";
import type { Ear } from "./migrations.ts";

export interface EarOptions {
  readonly listener: AnnouncementListener;
  /** Namespace of the node; default: the process's own. */
  readonly netns?: NetworkNamespace | undefined;
  /** The guest's MAC: an announcement of any other is not its. */
  guestMacOf(attachment: Attachment): string | undefined;
  readonly onProblem: (error: unknown, attachment: Attachment) => void;
}

/**
 * Listens on an endpoint's interface. Without the guest's MAC, or when listening ends early, nothing is heard and the API's word moves
 * the routes: later, but never wrongly.
 */
export function createEar({ listener, netns, guestMacOf, onProblem }: EarOptions): Ear {
  return {
    listen(attachment, onHeard) {
      const abort = new AbortController();
      const { linkIndex, addresses } = attachment;
      const mac = guestMacOf(attachment);
      if (linkIndex === undefined || mac === undefined) {
        onProblem(
          new Error("the guest's MAC is not known: waiting for the VMI to say that it has moved"),
          attachment,
        );
      } else {
        const problem = (error: unknown) => onProblem(error, attachment);
        listener
          .listen({
            linkIndex,
            mac,
            addresses,
            signal: abort.signal,
            onProblem: problem,
            keepAlive: false,
            ...(netns && { netns }),
          })
          .then(onHeard)
          .catch((error) => {
            if (!abort.signal.aborted) problem(error);
          });
      }
      return { isCurrent: () => guestMacOf(attachment) === mac, [Symbol.dispose]: () => abort.abort() };
    },
  };
}
