import type { InterfaceAddresses } from "./interface-address.ts";
import { KernelInterfaceAddresses } from "./kernel-interface-addresses.ts";
import { KernelLinks } from "./kernel-links.ts";
import { KernelNeighbours } from "./kernel-neighbours.ts";
import { KernelRoutes } from "./kernel-routes.ts";
import { KernelRules } from "./kernel-rules.ts";
import type { Links } from "./link.ts";
import type { Neighbours } from "./neighbour.ts";
import { NetlinkSocket } from "./netlink-socket.ts";
import type { NetworkNamespace } from "./network-namespace.ts";
import type { Routes } from "./route.ts";
import type { EventGroup, RouteEvent, SubscribeOptions, Subscription } from "./route-event.ts";
import { subscribeRoutes } from "./route-subscription.ts";
import type { Rules } from "./rule.ts";

/** Which namespace, and how long to wait for the kernel. */
export interface RouteSocketOptions {
  /** Namespace whose network it shows and changes. Default: the calling thread's. May be closed after opening. */
  readonly netns?: NetworkNamespace;
  /** Longest wait for one answer of the kernel, milliseconds. Default 5000. */
  readonly deadline?: number;
}

/**
 * The kernel's links, addresses, routes, neighbours and rules of one namespace. All calls are synchronous: the kernel answers within
 * microseconds. Every failure is a `NetlinkError`.
 */
export interface RouteSocket extends Disposable {
  readonly links: Links;
  readonly addresses: InterfaceAddresses;
  readonly routes: Routes;
  readonly neighbours: Neighbours;
  readonly rules: Rules;
  /** `ip monitor`: decoded changes on the main thread, in order, beginning with a `resync`. */
  subscribe(
    groups: readonly EventGroup[],
    onEvent: (event: RouteEvent) => void,
    options?: SubscribeOptions,
  ): Subscription;
  close(): void;
}

class KernelRouteSocket implements RouteSocket {
  readonly links: Links;
  readonly addresses: InterfaceAddresses;
  readonly routes: Routes;
  readonly neighbours: Neighbours;
  readonly rules: Rules;
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
    this.links = new KernelLinks(socket);
    this.addresses = new KernelInterfaceAddresses(socket);
    this.routes = new KernelRoutes(socket);
    this.neighbours = new KernelNeighbours(socket);
    this.rules = new KernelRules(socket);
  }

  subscribe(
    groups: readonly EventGroup[],
    onEvent: (event: RouteEvent) => void,
    options: SubscribeOptions = {},
  ): Subscription {
    using netns = this.#socket.namespace();
    return subscribeRoutes(netns, groups, onEvent, options);
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const NETLINK_ROUTE = 0;

/** Opens route sockets. */
export const RouteSocket = {
  /** Opens a socket. A missing CAP_NET_ADMIN is reported by the first change (`Denied`), not here. */
  open(options: RouteSocketOptions = {}): RouteSocket {
    return new KernelRouteSocket(NetlinkSocket.open(NETLINK_ROUTE, options));
  },
};
