/**
 * Tracked connections as netlink messages: struct nfgenmsg and the attributes of linux/netfilter/nfnetlink_conntrack.h. Numbers are
 * big-endian.
 *
 *     struct nfgenmsg { u8 family, version; be16 res_id; }
 */
import type { ConntrackEntry, ConntrackTuple, NewConntrackEntry } from "./conntrack-entry.ts";
import { addressFamily, type Family, familyOf, formatAddress, parseAddress } from "./ip.ts";
import { Attributes, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

const CTNETLINK = 1 << 8;
export const CT_NEW = CTNETLINK | 0;
export const CT_GET = CTNETLINK | 1;
export const CT_DELETE = CTNETLINK | 2;

const SIZE = 4;
const CTA = { ORIGINAL: 1, REPLY: 2, STATUS: 3, TIMEOUT: 7, MARK: 8, ID: 12, ZONE: 18 } as const;
const TUPLE = { IP: 1, PROTOCOL: 2 } as const;
const IP = { V4_SOURCE: 1, V4_DESTINATION: 2, V6_SOURCE: 3, V6_DESTINATION: 4 } as const;
const PROTOCOL = { NUMBER: 1, SOURCE_PORT: 2, DESTINATION_PORT: 3 } as const;

/** An entry and what names it to the kernel. */
export interface DecodedEntry {
  readonly entry: ConntrackEntry;
  /** CTA_ID: another connection with the same tuple has another. */
  readonly id: number | undefined;
}

/** Undefined: both families. */
export function encodeFamily(writer: MessageWriter, family: Family | undefined): void {
  const at = writer.header(SIZE);
  if (family !== undefined) writer.put8(at, addressFamily(family));
}

/** What CT_NEW carries. Without a reply tuple: the original turned round, no translation. */
export function encodeEntry(writer: MessageWriter, entry: NewConntrackEntry): void {
  const { original } = entry;
  encodeFamily(writer, original.source.includes(":") ? 6 : 4);
  encodeTuple(writer, CTA.ORIGINAL, original);
  encodeTuple(writer, CTA.REPLY, entry.reply ?? turned(original));
  writer.bytesOf(CTA.TIMEOUT, be32(entry.timeout ?? 60));
  if (entry.mark !== undefined) writer.bytesOf(CTA.MARK, be32(entry.mark));
}

/** What CT_DELETE carries: exactly this entry. */
export function encodeEntryKey(writer: MessageWriter, { entry, id }: DecodedEntry): void {
  encodeFamily(writer, entry.family);
  encodeTuple(writer, CTA.ORIGINAL, entry.original);
  if (entry.zone !== 0) writer.bytesOf(CTA.ZONE, be16(entry.zone));
  if (id !== undefined) writer.bytesOf(CTA.ID, be32(id));
}

function encodeTuple(writer: MessageWriter, type: number, tuple: ConntrackTuple): void {
  const source = parseAddress(tuple.source);
  const destination = parseAddress(tuple.destination);
  const v4 = source.length === 4;
  writer.nest(type, () => {
    writer.nest(TUPLE.IP, () => {
      writer.bytesOf(v4 ? IP.V4_SOURCE : IP.V6_SOURCE, source);
      writer.bytesOf(v4 ? IP.V4_DESTINATION : IP.V6_DESTINATION, destination);
    });
    writer.nest(TUPLE.PROTOCOL, () => {
      writer.u8(PROTOCOL.NUMBER, tuple.protocol);
      if (tuple.sourcePort !== undefined) writer.bytesOf(PROTOCOL.SOURCE_PORT, be16(tuple.sourcePort));
      if (tuple.destinationPort !== undefined)
        writer.bytesOf(PROTOCOL.DESTINATION_PORT, be16(tuple.destinationPort));
      if (tuple.icmp !== undefined) {
        const { id, type: kind, code } = tuple.icmp;
        const first = v4 ? 4 : 7;
        writer.bytesOf(first, be16(id));
        writer.u8(first + 1, kind);
        writer.u8(first + 2, code);
      }
    });
  });
}

/** An entry of a message; undefined for families other than IP. Throws `Malformed`. */
export function decodeEntry(payload: Buffer): DecodedEntry | undefined {
  needHeader(payload, SIZE, "nfgenmsg");
  const family = familyOf(payload[0]!);
  const attributes = new Attributes(payload, SIZE);
  const original = decodeTuple(attributes.nested(CTA.ORIGINAL), family);
  const reply = decodeTuple(attributes.nested(CTA.REPLY), family);
  if (family === undefined || original === undefined || reply === undefined) return undefined;
  return {
    id: attributes.u32be(CTA.ID),
    entry: {
      family,
      original,
      reply,
      status: attributes.u32be(CTA.STATUS) ?? 0,
      mark: attributes.u32be(CTA.MARK) ?? 0,
      timeout: attributes.u32be(CTA.TIMEOUT),
      zone: attributes.u16be(CTA.ZONE) ?? 0,
    },
  };
}

function decodeTuple(tuple: Attributes | undefined, family: Family | undefined): ConntrackTuple | undefined {
  const ip = tuple?.nested(TUPLE.IP);
  const source = ip?.bytes(family === 4 ? IP.V4_SOURCE : IP.V6_SOURCE);
  const destination = ip?.bytes(family === 4 ? IP.V4_DESTINATION : IP.V6_DESTINATION);
  if (source === undefined || destination === undefined) return undefined;
  const protocol = tuple?.nested(TUPLE.PROTOCOL);
  const first = family === 4 ? 4 : 7;
  const id = protocol?.u16be(first);
  return {
    source: formatAddress(source),
    destination: formatAddress(destination),
    protocol: protocol?.u8(PROTOCOL.NUMBER) ?? 0,
    sourcePort: protocol?.u16be(PROTOCOL.SOURCE_PORT),
    destinationPort: protocol?.u16be(PROTOCOL.DESTINATION_PORT),
    icmp:
      id === undefined
        ? undefined
        : { id, type: protocol?.u8(first + 1) ?? 0, code: protocol?.u8(first + 2) ?? 0 },
  };
}

const turned = (tuple: ConntrackTuple): ConntrackTuple => ({
  ...tuple,
  source: tuple.destination,
  destination: tuple.source,
  sourcePort: tuple.destinationPort,
  destinationPort: tuple.sourcePort,
});

function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
