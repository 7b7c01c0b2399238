/**
 * The thread of `reflex.ts`: hears guests and changes their routes at once, whatever the main loop is doing. It judges a frame as the main loop
 * would (the kernel's filter for the guest's MAC, then the classification of `@fairlead/garp`), and decides nothing else: what to do was said beforehand.
 */
import { createAnnouncementListener } from "@fairlead/garp";
import { monotonicNow, NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { report, takeOrders, takePrecedence } from "@fairlead/netlink/thread";
import type { KnownNeighbour } from "@fairlead/routes";
import { ReflexCell } from "./reflex-cell.ts";
import type { ReflexOrder, ReflexReport } from "./reflex-messages.ts";
import { rehearse } from "./reflex-rehearsal.ts";

type Arm = Extract<ReflexOrder, { readonly type: "arm" }>;

takePrecedence();

const listener = createAnnouncementListener();
// It only saves time: where it fails, real listening says why.
const rehearsed = rehearse(listener).catch(() => {});
const armed = new Map<number, AbortController>();
const tell = (message: ReflexReport) => report(message);

function arm(order: Arm): void {
  const { id, linkIndex, mac, addresses } = order;
  const abort = new AbortController();
  const resources = new DisposableStack();
  armed.set(id, abort);
  const work = async () => {
    const netns =
      order.netns === undefined ? {} : { netns: resources.use(NetworkNamespace.open({ fd: order.netns })) };
    const route = resources.use(RouteSocket.open(netns));
    // Before the route, or its first packet begins a resolution that the guest has to answer among its first steps. It
    // has to outlast the loss of carrier when the guest's tap is put behind the interface: all but the permanent go then.
    resolve(route, order.neighbours, "permanent");
    const heard = listener.listen({
      ...netns,
      linkIndex,
      mac,
      addresses,
      signal: abort.signal,
      onProblem: (error) => tell({ type: "problem", id, error }),
    });
    rehearsed.then(() => tell({ type: "listening", id }));
    const announcement = await heard;
    const cell = new ReflexCell(order.memory);
    if (!cell.claim(announcement)) return;
    try {
      // What the kernel refuses, the main loop meets again and reports.
      route.routes.batch(order.changes);
    } finally {
      cell.complete(monotonicNow());
      tell({ type: "fired", id });
    }
    resolve(route, order.neighbours, "reachable");
  };
  work()
    .catch((error: unknown) => {
      if (!abort.signal.aborted) tell({ type: "over", id, error: asError(error) });
    })
    .finally(() => {
      resources.dispose();
      armed.delete(id);
    });
}

/** Tells the kernel which MAC the guest's addresses have. A hint only: it would find out by itself. */
function resolve(
  { neighbours }: RouteSocket,
  known: readonly KnownNeighbour[],
  state: KnownNeighbour["state"],
): void {
  try {
    for (const neighbour of known) neighbours.replace({ ...neighbour, state });
  } catch {
    // Then it does.
  }
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)));

takeOrders<ReflexOrder>(
  (order) => {
    if (order.type === "arm") arm(order);
    else armed.get(order.id)?.abort();
  },
  () => {
    for (const abort of armed.values()) abort.abort();
  },
);
