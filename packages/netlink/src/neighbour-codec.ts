/**
 * Neighbours as netlink messages: struct ndmsg and the attributes of linux/neighbour.h.
 *
 *     struct ndmsg { u8 family, pad1; u16 pad2; i32 ifindex; u16 state; u8 flags, type; }
 */
import { addressFamily, type Family, familyOf, formatAddress, parseAddress } from "./ip.ts";
import { formatMac, parseMac } from "./mac.ts";
import { Attributes, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import type { Neighbour, NeighbourFilter, NeighbourKey, NeighbourSpec, NeighbourState } from "./neighbour.ts";

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

const SIZE = 12;
const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8 } as const;
const NTF_PROXY = 0x8;
const NTF_ROUTER = 0x80;

/** NUD_* */
const states: Readonly<Record<NeighbourState, number>> = {
  none: 0,
  incomplete: 0x1,
  reachable: 0x2,
  stale: 0x4,
  delay: 0x8,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
};
const stateNames = new Map(Object.entries(states).map(([name, value]) => [value, name as NeighbourState]));

export function encodeNeighbour(writer: MessageWriter, spec: NeighbourSpec): void {
  if (spec.proxy === true) encodeNeighbourKey(writer, spec);
  else {
    const mac = parseMac(spec.mac);
    encodeNeighbourKey(writer, spec, states[spec.state ?? "permanent"]);
    writer.bytesOf(NDA.LLADDR, mac);
  }
}

export function encodeNeighbourKey(writer: MessageWriter, key: NeighbourKey, state = 0): void {
  const address = parseAddress(key.address);
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(address.length === 4 ? 4 : 6));
  writer.put32(at + 4, key.linkIndex);
  writer.put16(at + 8, state);
  writer.put8(at + 10, key.proxy === true ? NTF_PROXY : 0);
  writer.bytesOf(NDA.DST, address);
}

export function encodeNeighbourFilter(writer: MessageWriter, filter: NeighbourFilter, family: Family): void {
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(family));
  writer.put8(at + 10, filter.proxy === true ? NTF_PROXY : 0);
  if (filter.linkIndex !== undefined) writer.u32(NDA.IFINDEX, filter.linkIndex);
}

/** A neighbour of a message; undefined for bridge forwarding entries and entries without address. Throws `Malformed`. */
export function decodeNeighbour(payload: Buffer): Neighbour | undefined {
  needHeader(payload, SIZE, "ndmsg");
  const family = familyOf(payload[0]!);
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload, SIZE);
  const address = attributes.bytes(NDA.DST);
  const mac = attributes.bytes(NDA.LLADDR);
  if (address === undefined) return undefined;
  const flags = payload[10]!;
  return {
    family,
    linkIndex: payload.readInt32LE(4),
    address: formatAddress(address),
    mac: mac === undefined || mac.length === 0 ? undefined : formatMac(mac),
    state: stateNames.get(payload.readUInt16LE(8)) ?? "none",
    proxy: (flags & NTF_PROXY) !== 0,
    router: (flags & NTF_ROUTER) !== 0,
  };
}
