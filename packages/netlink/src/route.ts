import type { NetlinkError } from "./error.ts";
import type { Family } from "./ip.ts";

/** How far an address or next hop reaches (RT_SCOPE_*). */
export type Scope = "global" | "site" | "link" | "host" | "nowhere";

/** What a route does with a packet (RTN_*). */
export type RouteType =
  | "unicast"
  | "local"
  | "broadcast"
  | "anycast"
  | "multicast"
  | "blackhole"
  | "unreachable"
  | "prohibit"
  | "throw";

/** IPv6 (RFC 4191): of several routes with the same prefix and metric the kernel takes the one with the highest. */
export type RoutePreference = "low" | "medium" | "high";

/** One way of a multipath route. */
export interface NextHop {
  readonly linkIndex?: number;
  readonly gateway?: string;
  /** 1 to 256; the share of this hop. Default 1. */
  readonly weight?: number;
  readonly onlink?: boolean;
}

/** A route as the kernel reports it. */
export interface Route {
  readonly family: Family;
  /** Prefix in CIDR form; the default route is `0.0.0.0/0` or `::/0`. */
  readonly destination: string;
  /** 254 is the main table. */
  readonly table: number;
  readonly type: RouteType;
  readonly scope: Scope;
  /** Who installed it: 2 kernel, 3 boot, 4 static, 12 BIRD, 80 Fairlead. See /etc/iproute2/rt_protos. */
  readonly protocol: number;
  /** Lower wins. IPv6 reports 1024 where 0 was asked for. */
  readonly metric: number;
  readonly linkIndex: number | undefined;
  readonly gateway: string | undefined;
  readonly preferredSource: string | undefined;
  readonly onlink: boolean;
  /** Set for a multipath route; then `linkIndex` and `gateway` are undefined. */
  readonly nextHops: readonly NextHop[] | undefined;
  /** RTAX_MTU. */
  readonly mtu: number | undefined;
  /** Its link has no carrier (RTNH_F_LINKDOWN). */
  readonly linkDown: boolean;
  /** IPv6 (RFC 4191). */
  readonly preference: RoutePreference | undefined;
}

/** A route to install. Key: destination, table, metric (IPv4 also the next hop for `add`, see `Routes`). */
export interface RouteSpec {
  readonly destination: string;
  /** Default 254, main. */
  readonly table?: number;
  /** Default `unicast`. */
  readonly type?: RouteType;
  /** Default: `link` without a gateway, else `global`; `host` for type `local`. IPv6 knows only `global`. */
  readonly scope?: Scope;
  /** Default 4, static. */
  readonly protocol?: number;
  /** Default 0; IPv6 makes that 1024. */
  readonly metric?: number;
  readonly linkIndex?: number;
  readonly gateway?: string;
  readonly preferredSource?: string;
  /** Take the gateway as reachable on the link whatever its address. */
  readonly onlink?: boolean;
  readonly nextHops?: readonly NextHop[];
  readonly mtu?: number;
  /** IPv6 only. Default `medium`. */
  readonly preference?: RoutePreference;
}

/** Which route to delete: absent fields match any. The kernel deletes the first match only. */
export type RouteKey = Pick<RouteSpec, "destination"> & Partial<RouteSpec>;

/** Which routes to list: absent fields match any. Table, protocol, link and type are filtered in the kernel. */
export interface RouteFilter {
  readonly family?: Family;
  readonly table?: number;
  readonly protocol?: number;
  readonly linkIndex?: number;
  readonly type?: RouteType;
  readonly destination?: string;
}

/** One change of a batch. */
export type RouteChange =
  | { readonly op: "add" | "prepend" | "replace"; readonly route: RouteSpec }
  | { readonly op: "delete"; readonly route: RouteKey };

/**
 * Routes of one namespace.
 *
 * What the kernel takes as the same route: IPv4 table, prefix, TOS and metric; IPv6 table, prefix and metric (add allows a second next hop
 * there: it becomes multipath). Two metrics are two routes, the lower one forwards.
 */
export interface Routes {
  /** `ip route show table all`; without a family both. */
  list(filter?: RouteFilter): Route[];
  /** `ip route add`. `AlreadyExists` when prefix and metric are taken, `Unreachable` for a gateway off-link, `NetworkDown`. */
  add(route: RouteSpec): void;
  /**
   * `ip route prepend`: beside another route with the same prefix and metric but another next hop, before it. `AlreadyExists` only for the same
   * next hop. IPv6 knows no order among equals: set `preference` too.
   */
  prepend(route: RouteSpec): void;
  /** `ip route replace`: in place, no packet finds a gap. Replaces only the route with the same metric. */
  replace(route: RouteSpec): void;
  /** `ip route delete`. `NotFound` when nothing matches. */
  delete(route: RouteKey): void;
  /** `ip route get`: the route the kernel would take now. Throws `Unreachable` when there is none or it says so. */
  lookup(address: string): Route;
  /**
   * Many changes in few system calls, in order. A failed change does not stop the later ones.
   * Element i of the result is undefined when change i was made, else its error.
   */
  batch(changes: readonly RouteChange[]): (NetlinkError | undefined)[];
}
