/**
 * Routes as netlink messages: struct rtmsg and the attributes of linux/rtnetlink.h.
 *
 *     struct rtmsg { u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags; }
 */
import {
  addressFamily,
  type Family,
  familyOf,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
} from "./ip.ts";
import { Attributes, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import type {
  NextHop,
  Route,
  RouteFilter,
  RouteKey,
  RoutePreference,
  RouteSpec,
  RouteType,
  Scope,
} from "./route.ts";

export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
export const RTM_GETROUTE = 26;

export const MAIN_TABLE = 254;
const PROTOCOL_STATIC = 4;
const SIZE = 12;
const RTA = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
  PREF: 20,
} as const;
const RTAX_MTU = 2;
const RTNH_F_ONLINK = 4;
const RTNH_F_LINKDOWN = 16;
const RTM_F_CLONED = 0x200;

/** RT_SCOPE_* */
export const scopes: Readonly<Record<Scope, number>> = {
  global: 0,
  site: 200,
  link: 253,
  host: 254,
  nowhere: 255,
};

/** RTN_* */
const types: Readonly<Record<RouteType, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
};
/** ICMPV6_ROUTER_PREF_* */
const preferences: Readonly<Record<RoutePreference, number>> = { low: 3, medium: 0, high: 1 };
const preferenceNames = new Map(
  Object.entries(preferences).map(([name, value]) => [value, name as RoutePreference]),
);
const typeNames = new Map(Object.entries(types).map(([name, value]) => [value, name as RouteType]));
const scopeNames = new Map(Object.entries(scopes).map(([name, value]) => [value, name as Scope]));

export const scopeOf = (value: number): Scope => scopeNames.get(value) ?? "global";

/** What RTM_NEWROUTE carries. Throws `Invalid` for text that is no address. */
export function encodeRoute(writer: MessageWriter, route: RouteSpec): void {
  const { family } = encodeKey(writer, route, {
    type: route.type ?? "unicast",
    scope: defaultScope(route),
    protocol: route.protocol ?? PROTOCOL_STATIC,
  });
  if (route.preference !== undefined && family === 6) writer.u8(RTA.PREF, preferences[route.preference]);
  if (route.mtu !== undefined) {
    const { mtu } = route;
    writer.nest(RTA.METRICS, () => writer.u32(RTAX_MTU, mtu));
  }
  if (route.nextHops !== undefined) encodeNextHops(writer, route.nextHops, family);
}

/** What RTM_DELROUTE carries: absent fields match any. */
export function encodeRouteKey(writer: MessageWriter, route: RouteKey): void {
  const { family } = encodeKey(writer, route, {});
  if (route.nextHops !== undefined) encodeNextHops(writer, route.nextHops, family);
}

interface HeaderFields {
  readonly type?: RouteType;
  readonly scope?: Scope;
  readonly protocol?: number;
}

function encodeKey(writer: MessageWriter, route: RouteKey, defaults: HeaderFields) {
  const prefix = parsePrefix(route.destination);
  const table = route.table ?? MAIN_TABLE;
  const type = route.type ?? defaults.type;
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(prefix.family));
  writer.put8(at + 1, prefix.length);
  writer.put8(at + 4, table < 256 ? table : 0);
  writer.put8(at + 5, route.protocol ?? defaults.protocol ?? 0);
  writer.put8(at + 6, scopeNumber(route.scope ?? defaults.scope, prefix.family));
  writer.put8(at + 7, type === undefined ? 0 : types[type]);
  if (route.onlink === true) writer.put32(at + 8, RTNH_F_ONLINK);
  if (prefix.length > 0) writer.bytesOf(RTA.DST, prefix.address);
  if (table > 255) writer.u32(RTA.TABLE, table);
  if (route.linkIndex !== undefined) writer.u32(RTA.OIF, route.linkIndex);
  if (route.gateway !== undefined) encodeGateway(writer, route.gateway, prefix.family);
  if (route.metric !== undefined && route.metric > 0) writer.u32(RTA.PRIORITY, route.metric);
  if (route.preferredSource !== undefined) writer.bytesOf(RTA.PREFSRC, parseAddress(route.preferredSource));
  return prefix;
}

/** IPv6 routes have no scope. `nowhere` in a deletion matches any. */
const scopeNumber = (scope: Scope | undefined, family: Family): number =>
  family === 6 ? 0 : scopes[scope ?? "nowhere"];

export function defaultScope(route: RouteSpec): Scope {
  if (route.scope !== undefined) return route.scope;
  if (route.type === "local") return "host";
  if (route.type !== undefined && !["unicast", "broadcast", "anycast", "multicast"].includes(route.type))
    return "global";
  const hops = route.nextHops ?? [route];
  return hops.some((hop) => hop.gateway !== undefined) ? "global" : "link";
}

/** A gateway of the other family (RFC 8950) goes into RTA_VIA. */
function encodeGateway(writer: MessageWriter, gateway: string, family: Family): void {
  const bytes = parseAddress(gateway);
  if ((bytes.length === 4) === (family === 4)) writer.bytesOf(RTA.GATEWAY, bytes);
  else {
    const via = Buffer.alloc(2 + bytes.length);
    via.writeUInt16LE(addressFamily(bytes.length === 4 ? 4 : 6), 0);
    bytes.copy(via, 2);
    writer.bytesOf(RTA.VIA, via);
  }
}

/** struct rtnexthop { u16 len; u8 flags, hops; i32 ifindex; } each followed by attributes. */
function encodeNextHops(writer: MessageWriter, hops: readonly NextHop[], family: Family): void {
  writer.nest(RTA.MULTIPATH, () => {
    for (const hop of hops) {
      const at = writer.header(8);
      writer.put8(at + 2, hop.onlink === true ? RTNH_F_ONLINK : 0);
      writer.put8(at + 3, (hop.weight ?? 1) - 1);
      writer.put32(at + 4, hop.linkIndex ?? 0);
      if (hop.gateway !== undefined) encodeGateway(writer, hop.gateway, family);
      writer.put16(at, writer.length - at);
    }
  });
}

/** The body of a dump request; filters the kernel applies itself. */
export function encodeRouteFilter(writer: MessageWriter, filter: RouteFilter, family: Family): void {
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(family));
  writer.put8(at + 5, filter.protocol ?? 0);
  writer.put8(at + 7, filter.type === undefined ? 0 : types[filter.type]);
  if (filter.table !== undefined) writer.u32(RTA.TABLE, filter.table);
  if (filter.linkIndex !== undefined) writer.u32(RTA.OIF, filter.linkIndex);
}

/** The question of `ip route get`. */
export function encodeLookup(writer: MessageWriter, address: string): void {
  const bytes = parseAddress(address);
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(bytes.length === 4 ? 4 : 6));
  writer.put8(at + 1, bytes.length * 8);
  writer.bytesOf(RTA.DST, bytes);
}

/** A route of a message; undefined for cache entries (unless asked for) and families other than IP. Throws `Malformed`. */
export function decodeRoute(payload: Buffer, cached?: "with cached"): Route | undefined {
  needHeader(payload, SIZE, "rtmsg");
  const family = familyOf(payload[0]!);
  const flags = payload.readUInt32LE(8);
  const type = typeNames.get(payload[7]!);
  if (family === undefined || type === undefined) return undefined;
  if (flags & RTM_F_CLONED && cached === undefined) return undefined;
  const attributes = new Attributes(payload, SIZE);
  const source = attributes.bytes(RTA.PREFSRC);
  return {
    family,
    destination: formatPrefix(attributes.bytes(RTA.DST) ?? anywhere[family], payload[1]!),
    table: attributes.u32(RTA.TABLE) ?? payload[4]!,
    type,
    scope: scopeOf(payload[6]!),
    protocol: payload[5]!,
    metric: attributes.u32(RTA.PRIORITY) ?? 0,
    linkIndex: attributes.u32(RTA.OIF),
    gateway: decodeGateway(attributes),
    preferredSource: source === undefined ? undefined : formatAddress(source),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    nextHops: decodeNextHops(attributes.bytes(RTA.MULTIPATH)),
    mtu: attributes.nested(RTA.METRICS)?.u32(RTAX_MTU),
    preference: family === 6 ? (preferenceNames.get(attributes.u8(RTA.PREF) ?? 0) ?? "medium") : undefined,
    linkDown: (flags & RTNH_F_LINKDOWN) !== 0,
  };
}

const anywhere = { 4: Buffer.alloc(4), 6: Buffer.alloc(16) } as const;

function decodeGateway(attributes: Attributes): string | undefined {
  const gateway = attributes.bytes(RTA.GATEWAY) ?? attributes.bytes(RTA.VIA)?.subarray(2);
  return gateway === undefined ? undefined : formatAddress(gateway);
}

function decodeNextHops(bytes: Buffer | undefined): NextHop[] | undefined {
  if (bytes === undefined) return undefined;
  const hops: NextHop[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    needHeader(bytes.subarray(at), Math.max(8, length), "rtnexthop");
    if (length < 8) break;
    const gateway = decodeGateway(new Attributes(bytes.subarray(at + 8, at + length)));
    hops.push({
      linkIndex: bytes.readInt32LE(at + 4),
      weight: bytes[at + 3]! + 1,
      onlink: (bytes[at + 2]! & RTNH_F_ONLINK) !== 0,
      ...(gateway === undefined ? {} : { gateway }),
    });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** For messages: `10.0.0.1/32 dev 7 metric 512`. */
export function describeRoute(route: RouteKey): string {
  const parts = [
    route.type ?? "",
    route.destination,
    route.gateway === undefined ? "" : `via ${route.gateway}`,
    route.linkIndex === undefined ? "" : `dev ${route.linkIndex}`,
    route.metric === undefined ? "" : `metric ${route.metric}`,
    route.table === undefined ? "" : `table ${route.table}`,
  ];
  return parts.filter((part) => part !== "").join(" ");
}
