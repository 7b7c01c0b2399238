/**
 * Links as netlink messages: struct ifinfomsg and the attributes of linux/if_link.h.
 *
 *     struct ifinfomsg { u8 family, pad; u16 type; i32 index; u32 flags, change; }
 */
import { NetlinkError } from "./error.ts";
import type {
  BridgePort,
  BridgeSpec,
  Link,
  LinkChange,
  LinkProperties,
  LinkSelector,
  LinkSpec,
  LinkStatistics,
  OperState,
  TunTapSpec,
} from "./link.ts";
import { formatMac, parseMac } from "./mac.ts";
import { Attributes, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_GETSTATS = 94;

const SIZE = 16;
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  LINK_NETNSID: 37,
  TARGET_NETNSID: 46,
} as const;
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
const BR = { FORWARD_DELAY: 1, AGEING_TIME: 4, STP_STATE: 5, MCAST_SNOOPING: 23 } as const;
const BRPORT = { LEARNING: 8, NEIGH_SUPPRESS: 32, ISOLATED: 33 } as const;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;
const IFF_LOWER_UP = 0x10000;
/** Counters are the larger part of a link message and nobody here reads them. */
const SKIP_STATS = 8;

const operStates: readonly OperState[] = [
  "unknown",
  "notpresent",
  "down",
  "lowerlayerdown",
  "testing",
  "dormant",
  "up",
];

/** A link's name as the kernel takes it (dev_valid_name): 1 to 15 bytes without space, slash or colon. Throws `Invalid`. */
export function checkLinkName(name: string): string {
  if (/^[^\s/:\0]{1,15}$/.test(name) && Buffer.byteLength(name) <= 15 && name !== "." && name !== "..")
    return name;
  throw new NetlinkError({
    code: "Invalid",
    operation: "name link",
    object: JSON.stringify(name),
    advice: "A link's name has 1 to 15 bytes, no space, slash or colon",
  });
}

/** Header with the index, or the name in an attribute. */
export function encodeSelector(writer: MessageWriter, link: LinkSelector, up?: boolean): void {
  const at = writer.header(SIZE);
  if (typeof link === "number") writer.put32(at + 4, link);
  if (up !== undefined) putUp(writer, at, up);
  if (typeof link === "string") writer.string(IFLA.IFNAME, checkLinkName(link));
}

/** `namespaceId`: look in that namespace instead of the socket's. */
export function encodeLinkQuery(writer: MessageWriter, link?: LinkSelector, namespaceId?: number): void {
  encodeSelector(writer, link ?? 0);
  writer.u32(IFLA.EXT_MASK, SKIP_STATS);
  if (namespaceId !== undefined) writer.u32(IFLA.TARGET_NETNSID, namespaceId);
}

/** struct if_stats_msg { u8 family, pad[3]; u32 index, filter; } */
const STATS_SIZE = 12;
const IFLA_STATS_LINK_64 = 1;

export function encodeStatisticsQuery(writer: MessageWriter, index: number): void {
  const at = writer.header(STATS_SIZE);
  writer.put32(at + 4, index);
  writer.put32(at + 8, 1 << (IFLA_STATS_LINK_64 - 1));
}

/** Some of struct rtnl_link_stats64. Throws `Malformed`. */
export function decodeStatistics(payload: Buffer): LinkStatistics {
  const counters = new Attributes(payload, STATS_SIZE).bytes(IFLA_STATS_LINK_64) ?? Buffer.alloc(0);
  needHeader(counters, 64, "statistics");
  const counter = (index: number) => Number(counters.readBigUInt64LE(8 * index));
  return { received: counter(0), sent: counter(1), unsent: counter(7) };
}

/** The namespace is given by descriptor, so it must be open while the message is sent. */
export function encodeLink(writer: MessageWriter, spec: Exclude<LinkSpec, TunTapSpec>): void {
  encodeProperties(writer, spec);
  writer.nest(IFLA.LINKINFO, () => {
    writer.string(INFO.KIND, spec.kind);
    if (spec.kind === "veth") {
      // The kernel cannot open a peer that is not yet paired: it is set up afterwards.
      const peer = { ...spec.peer, up: false };
      writer.nest(INFO.DATA, () => writer.nest(VETH_INFO_PEER, () => encodeProperties(writer, peer)));
    }
    if (spec.kind === "bridge") writer.nest(INFO.DATA, () => encodeBridge(writer, spec));
  });
}

function encodeProperties(writer: MessageWriter, spec: LinkProperties): void {
  const at = writer.header(SIZE);
  if (spec.up === true) putUp(writer, at, true);
  writer.string(IFLA.IFNAME, checkLinkName(spec.name));
  encodeCommon(writer, spec);
  if (spec.txQueues !== undefined) writer.u32(IFLA.NUM_TX_QUEUES, spec.txQueues);
  if (spec.rxQueues !== undefined) writer.u32(IFLA.NUM_RX_QUEUES, spec.rxQueues);
}

function encodeCommon(writer: MessageWriter, spec: Omit<LinkChange, "name" | "up" | "bridgePort">): void {
  if (spec.address !== undefined) writer.bytesOf(IFLA.ADDRESS, parseMac(spec.address));
  if (spec.mtu !== undefined) writer.u32(IFLA.MTU, spec.mtu);
  if (spec.group !== undefined) writer.u32(IFLA.GROUP, spec.group);
  if (spec.master !== undefined) writer.u32(IFLA.MASTER, spec.master ?? 0);
  if (spec.netns !== undefined) writer.u32(IFLA.NET_NS_FD, spec.netns.fd);
}

/** Bridge times are in hundredths of a second. */
function encodeBridge(writer: MessageWriter, spec: BridgeSpec): void {
  if (spec.forwardDelay !== undefined) writer.u32(BR.FORWARD_DELAY, Math.round(spec.forwardDelay * 100));
  if (spec.ageingTime !== undefined) writer.u32(BR.AGEING_TIME, Math.round(spec.ageingTime * 100));
  if (spec.stp !== undefined) writer.u32(BR.STP_STATE, Number(spec.stp));
  if (spec.multicastSnooping !== undefined) writer.u8(BR.MCAST_SNOOPING, Number(spec.multicastSnooping));
}

/** Everything of a change but the bridge port settings, which the kernel takes only from a port. */
export function encodeLinkChange(writer: MessageWriter, index: number, change: LinkChange): void {
  encodeSelector(writer, index, change.up);
  if (change.name !== undefined) writer.string(IFLA.IFNAME, checkLinkName(change.name));
  encodeCommon(writer, change);
}

export function encodeBridgePort(writer: MessageWriter, index: number, port: Partial<BridgePort>): void {
  encodeSelector(writer, index);
  writer.nest(IFLA.LINKINFO, () => {
    writer.string(INFO.SLAVE_KIND, "bridge");
    writer.nest(INFO.SLAVE_DATA, () => {
      if (port.learning !== undefined) writer.u8(BRPORT.LEARNING, Number(port.learning));
      if (port.isolated !== undefined) writer.u8(BRPORT.ISOLATED, Number(port.isolated));
      if (port.neighbourSuppression !== undefined) {
        writer.u8(BRPORT.NEIGH_SUPPRESS, Number(port.neighbourSuppression));
      }
    });
  });
}

function putUp(writer: MessageWriter, at: number, up: boolean): void {
  writer.put32(at + 8, up ? IFF_UP : 0);
  writer.put32(at + 12, IFF_UP);
}

/** A link of a message; undefined when it is about a bridge port or IPv6 settings (another family). Throws `Malformed`. */
export function decodeLink(payload: Buffer): Link | undefined {
  needHeader(payload, SIZE, "ifinfomsg");
  if (payload[0] !== 0) return undefined;
  const attributes = new Attributes(payload, SIZE);
  const info = attributes.nested(IFLA.LINKINFO);
  const flags = payload.readUInt32LE(8);
  const address = attributes.bytes(IFLA.ADDRESS);
  return {
    index: payload.readInt32LE(4),
    name: attributes.string(IFLA.IFNAME) ?? "",
    kind: info?.string(INFO.KIND),
    address: address === undefined || address.length === 0 ? undefined : formatMac(address),
    mtu: attributes.u32(IFLA.MTU) ?? 0,
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    operState: operStates[attributes.u8(IFLA.OPERSTATE) ?? 0] ?? "unknown",
    master: attributes.u32(IFLA.MASTER),
    peerIndex: attributes.u32(IFLA.LINK),
    peerNamespaceId: attributes.i32(IFLA.LINK_NETNSID),
    group: attributes.u32(IFLA.GROUP) ?? 0,
    txQueues: attributes.u32(IFLA.NUM_TX_QUEUES) ?? 1,
    rxQueues: attributes.u32(IFLA.NUM_RX_QUEUES) ?? 1,
    flags,
    bridgePort: info?.string(INFO.SLAVE_KIND) === "bridge" ? decodeBridgePort(info) : undefined,
  };
}

function decodeBridgePort(info: Attributes): BridgePort {
  const data = info.nested(INFO.SLAVE_DATA);
  return {
    learning: data?.u8(BRPORT.LEARNING) === 1,
    isolated: data?.u8(BRPORT.ISOLATED) === 1,
    neighbourSuppression: data?.u8(BRPORT.NEIGH_SUPPRESS) === 1,
  };
}
