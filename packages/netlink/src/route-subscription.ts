import { monotonicNow } from "./clock.ts";
import { NetlinkError } from "./error.ts";
import { decodeInterfaceAddress, RTM_DELADDR, RTM_NEWADDR } from "./interface-address-codec.ts";
import { decodeLink, RTM_DELLINK, RTM_NEWLINK } from "./link-codec.ts";
import { type Message, readMessages } from "./message-reader.ts";
import { decodeNeighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from "./neighbour-codec.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import type { NetworkNamespace } from "./network-namespace.ts";
import { decodeRoute, RTM_DELROUTE, RTM_NEWROUTE } from "./route-codec.ts";
import type { EventGroup, RouteEvent, SubscribeOptions, Subscription } from "./route-event.ts";
import { watch } from "./waiter.ts";

/** RTMGRP_* bits: link; IPv4 and IPv6 addresses; IPv4 and IPv6 routes; neighbours. */
const groupBits: Readonly<Record<EventGroup, number>> = {
  link: 0x1,
  address: 0x10 | 0x100,
  route: 0x40 | 0x400,
  neighbour: 0x4,
};

/** Events of one namespace until closed; the first one, `resync`, comes from a microtask after this returns. */
export function subscribeRoutes(
  netns: NetworkNamespace,
  groups: readonly EventGroup[],
  onEvent: (event: RouteEvent) => void,
  { signal, keepAlive }: SubscribeOptions,
): Subscription {
  signal?.throwIfAborted();
  const bits = groups.reduce((all, group) => all | groupBits[group], 0);
  const socket = NetlinkSocket.open(0, { netns, groups: bits });
  let open = true;
  const deliver = (event: RouteEvent) => {
    if (open) onEvent(event);
  };
  const watching = watch(socket.fd, () => drain(socket, deliver, () => open), { keepAlive });
  const close = () => {
    if (!open) return;
    open = false;
    signal?.removeEventListener("abort", close);
    watching[Symbol.dispose]();
    socket.close();
  };
  signal?.addEventListener("abort", close, { once: true });
  queueMicrotask(() => deliver({ type: "resync", reason: "started", at: monotonicNow() }));
  return { close, [Symbol.dispose]: close };
}

/** Datagrams per wake-up, so that a flood leaves the event loop its turn; the rest wakes again. */
const MOST_AT_ONCE = 256;

/** What waits. What was lost or cannot be read becomes one `resync` each time. */
function drain(socket: NetlinkSocket, deliver: (event: RouteEvent) => void, isOpen: () => boolean): void {
  for (let read = 0; read < MOST_AT_ONCE && isOpen(); read++) {
    const at = monotonicNow();
    let events: RouteEvent[];
    try {
      const datagram = socket.poll();
      if (datagram === undefined) return;
      events = decodeEvents(datagram, at);
    } catch (error) {
      if (!NetlinkError.is(error)) throw error;
      events = [{ type: "resync", reason: error.code === "Malformed" ? "malformed" : "overrun", at }];
    }
    for (const event of events) deliver(event);
  }
}

/** The events of one datagram. Pure. Throws `Malformed`. */
export function decodeEvents(datagram: Buffer, at: bigint): RouteEvent[] {
  const events: RouteEvent[] = [];
  for (const message of readMessages(datagram)) {
    const event = decodeEvent(message, at);
    if (event !== undefined) events.push(event);
  }
  return events;
}

function decodeEvent({ type, payload }: Message, at: bigint): RouteEvent | undefined {
  switch (type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
      const link = decodeLink(payload);
      return link && { type: "link", change: type === RTM_NEWLINK ? "new" : "delete", link, at };
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
      const address = decodeInterfaceAddress(payload);
      return address && { type: "address", change: type === RTM_NEWADDR ? "new" : "delete", address, at };
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
      const route = decodeRoute(payload);
      return route && { type: "route", change: type === RTM_NEWROUTE ? "new" : "delete", route, at };
    }
    case RTM_NEWNEIGH:
    case RTM_DELNEIGH: {
      const neighbour = decodeNeighbour(payload);
      return (
        neighbour && { type: "neighbour", change: type === RTM_NEWNEIGH ? "new" : "delete", neighbour, at }
      );
    }
    default:
      return undefined;
  }
}
