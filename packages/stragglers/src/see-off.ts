import { type Family, NetlinkError, NetworkNamespace, PacketSocket, RouteSocket } from "@fairlead/netlink";
import { Pursuit } from "./pursuit.ts";
import { openReturnPath } from "./return-path.ts";
import { findTap } from "./tap.ts";
import { longestFrame, outgoingOnly, Unread } from "./unread.ts";

/** A guest that is about to leave. */
export interface Departure {
  /** Namespace of the host. Default: the calling thread's. */
  readonly netns?: NetworkNamespace;
  /** Namespace of the guest's pod. */
  readonly pod: NetworkNamespace;
  /** Index of the host's end of the pod's veth. */
  readonly linkIndex: number;
  /** The guest's, plain. */
  readonly addresses: readonly string[];
}

export interface DepartureHandlers {
  /** So many packets were sent after the guest, of one family. Once for each family, 0 included. */
  sent(packets: number, family: Family): void;
  /** Some or all of them are lost, as they would be without us. */
  problem?(error: Error): void;
}

/** Milliseconds between two looks at what was read: 50 ms of 10 Gbit/s fill the buffer. */
const interval = 20;
const receiveBuffer = 64 * 1024 * 1024;
/** Milliseconds from the first family's departure in which the other follows. */
const grace = 1_000;

/**
 * Keeps what arrives for a guest until the guest has read it. When the host's routes lead elsewhere for the guest's addresses, what it never read is sent
 * after it. A guest that stays reads everything, and nothing is sent.
 *
 * Begin before the guest is paused, and dispose when the migration is over. Needs CAP_NET_ADMIN and CAP_NET_RAW. Throws `NetlinkError`; does nothing for
 * a guest that is not in bridge binding.
 */
export function seeOff(departure: Departure, handlers: DepartureHandlers): Disposable {
  using resources = new DisposableStack();
  const netns = resources.adopt(
    departure.netns ? NetworkNamespace.open({ fd: departure.netns.fd }) : NetworkNamespace.current(),
    (one) => one.close(),
  );
  const host = resources.use(RouteSocket.open({ netns }));
  const pod = resources.use(RouteSocket.open({ netns: departure.pod }));
  const tap = findTap(pod.links.list(), departure.linkIndex);
  if (!tap) return resources.move();

  const progress = () => pod.links.statistics(tap.index);
  const before = progress();
  const copies = resources.use(
    PacketSocket.open({
      netns: departure.pod,
      linkIndex: tap.index,
      filter: outgoingOnly,
      ignoreOutgoing: false,
      offloads: true,
      snapLength: longestFrame,
      receiveBuffer,
      timestamps: false,
    }),
  );
  const unread = new Unread(copies, progress, before);
  const back = resources.use(openReturnPath(netns));

  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      problem(error instanceof Error ? error : new Error(String(error)));
    }
  };
  const problem = (error: Error) => handlers.problem?.(error);
  const pursuit = resources.use(
    new Pursuit({
      addresses: departure.addresses,
      next: () => unread.next(),
      send: (packet) => back.write(packet),
      sent: handlers.sent,
      problem,
    }),
  );

  const staying = Map.groupBy(departure.addresses, (address): Family => (address.includes(":") ? 6 : 4));
  const isElsewhere = (address: string): boolean => {
    try {
      return host.routes.lookup(address).linkIndex !== departure.linkIndex;
    } catch (error) {
      if (NetlinkError.is(error) && error.code === "Unreachable") return false;
      throw error;
    }
  };
  let hasLeft = false;
  function look(): void {
    for (const [family, addresses] of staying) {
      if (!addresses.every(isElsewhere)) continue;
      staying.delete(family);
      if (!hasLeft) {
        hasLeft = true;
        clearInterval(timer);
        timer = setTimeout(end, grace).unref();
        unread.catchUp();
      }
      pursuit.leave(family);
    }
  }

  let timer: NodeJS.Timeout = setInterval(() => attempt(() => unread.catchUp()), interval).unref();
  resources.defer(() => clearTimeout(timer));
  const own = new Set(departure.addresses);
  resources.use(
    host.subscribe(
      ["route"],
      (event) => {
        if (event.type !== "route" || own.has(event.route.destination.split("/")[0] ?? "")) attempt(look);
      },
      { keepAlive: false },
    ),
  );
  const kept = resources.move();
  const end = () => kept.dispose();
  return { [Symbol.dispose]: end };
}
