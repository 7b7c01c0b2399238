/**
 * Linux kernel sockets for Node.js: rtnetlink, network namespaces, packet sockets with BPF filters, connection tracking, sysctl.
 *
 * @packageDocumentation
 */
export * from "./bpf.ts";
export { monotonicNow } from "./clock.ts";
export { Conntrack, type ConntrackFilter, type ConntrackOptions } from "./conntrack.ts";
export type { ConntrackEntry, ConntrackTuple, NewConntrackEntry } from "./conntrack-entry.ts";
export { NetlinkError, type NetlinkErrorCode, type NetlinkErrorDetails } from "./error.ts";
export type {
  InterfaceAddress,
  InterfaceAddresses,
  InterfaceAddressFilter,
  InterfaceAddressSpec,
} from "./interface-address.ts";
export { type Family, formatAddress, formatPrefix, type Prefix, parseAddress, parsePrefix } from "./ip.ts";
export type {
  BridgePort,
  BridgeSpec,
  DummySpec,
  Link,
  LinkChange,
  LinkFilter,
  LinkProperties,
  LinkSelector,
  LinkSpec,
  LinkStatistics,
  Links,
  OperState,
  TunTapSpec,
  VethSpec,
} from "./link.ts";
export { formatMac, parseMac } from "./mac.ts";
export type {
  Neighbour,
  NeighbourFilter,
  NeighbourKey,
  NeighbourSpec,
  NeighbourState,
  Neighbours,
} from "./neighbour.ts";
export { type NamespaceSource, NetworkNamespace } from "./network-namespace.ts";
export type {
  Frame,
  FrameHandlers,
  PacketDirection,
  PacketSocketOptions,
} from "./packet-socket.ts";
export { PacketSocket } from "./packet-socket.ts";
export type {
  NextHop,
  Route,
  RouteChange,
  RouteFilter,
  RouteKey,
  RoutePreference,
  RouteSpec,
  Routes,
  RouteType,
  Scope,
} from "./route.ts";
export type { EventGroup, RouteEvent, SubscribeOptions, Subscription } from "./route-event.ts";
export { RouteSocket, type RouteSocketOptions } from "./route-socket.ts";
export type { Rule, RuleAction, RuleSpec, Rules } from "./rule.ts";
export { readSysctl, type SysctlOptions, writeSysctl } from "./sysctl.ts";
export { TunTap, type TunTapFrame, type TunTapOptions } from "./tuntap.ts";
