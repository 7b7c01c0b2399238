/**
 * The thread of `reflex.ts`: hears guests that come and changes their routes at once, and sends after guests that go what they have not read, whatever the
 * main loop is doing. It judges a frame as the main loop
 * would (the kernel's filter for the guest's MAC, then the classification of `@fairlead/garp`), and decides nothing else: what to do was said beforehand.
 */
import { createAnnouncementListener } from "@fairlead/garp";
import { monotonicNow, NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { report, takeOrders, takePrecedence } from "@fairlead/netlink/thread";
import type { KnownNeighbour } from "@fairlead/routes";
import { seeOff } from "@fairlead/stragglers";
import { ReflexCell } from "./reflex-cell.ts";
import type { ReflexOrder, ReflexReport } from "./reflex-messages.ts";
import { rehearse } from "./reflex-rehearsal.ts";

type Arm = Extract<ReflexOrder, { readonly type: "arm" }>;
type SeeOff = Extract<ReflexOrder, { readonly type: "see-off" }>;

takePrecedence();

const listener = createAnnouncementListener();
// It only saves time: where it fails, real listening says why.
const rehearsed = rehearse(listener).catch(() => {});
/** How to end what is under way. */
const ends = new Map<number, () => void>();
const tell = (message: ReflexReport) => report(message);

function arm(order: Arm): void {
  const { id, linkIndex, mac, addresses } = order;
  const abort = new AbortController();
  const resources = new DisposableStack();
  ends.set(id, () => abort.abort());
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
      ends.delete(id);
    });
}

function beginSeeingOff({ id, linkIndex, addresses, ...order }: SeeOff): void {
  try {
    using pod = NetworkNamespace.open(order.pod);
    using netns = order.netns === undefined ? undefined : NetworkNamespace.open({ fd: order.netns });
    const departure = seeOff(
      { pod, linkIndex, addresses, ...(netns && { netns }) },
      {
        sent: (packets, family) => tell({ type: "sent", id, packets, family }),
        problem: (error) => tell({ type: "problem", id, error }),
      },
    );
    ends.set(id, () => {
      departure[Symbol.dispose]();
      ends.delete(id);
    });
  } catch (error) {
    tell({ type: "over", id, error: asError(error) });
  }
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
    else if (order.type === "see-off") beginSeeingOff(order);
    else ends.get(order.id)?.();
  },
  () => {
    for (const end of ends.values()) end();
  },
);
