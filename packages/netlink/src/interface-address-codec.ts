/**
 * Interface addresses as netlink messages: struct ifaddrmsg and the attributes of linux/if_addr.h.
 *
 *     struct ifaddrmsg { u8 family, prefixlen, flags, scope; u32 index; }
 */
import type { InterfaceAddress, InterfaceAddressFilter, InterfaceAddressSpec } from "./interface-address.ts";
import {
  addressFamily,
  type Family,
  familyOf,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
} from "./ip.ts";
import { Attributes, malformed, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import { scopeOf, scopes } from "./route-codec.ts";

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

const SIZE = 8;
const IFA = { ADDRESS: 1, LOCAL: 2, LABEL: 3, BROADCAST: 4, FLAGS: 8 } as const;
const F = { NODAD: 0x2, DADFAILED: 0x8, TENTATIVE: 0x40, PERMANENT: 0x80, NOPREFIXROUTE: 0x200 } as const;

export function encodeInterfaceAddress(writer: MessageWriter, spec: InterfaceAddressSpec): void {
  const { family, address, length } = parsePrefix(spec.address);
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(family));
  writer.put8(at + 1, length);
  writer.put8(at + 3, scopes[spec.scope ?? "global"]);
  writer.put32(at + 4, spec.linkIndex);
  writer.bytesOf(IFA.LOCAL, address);
  writer.bytesOf(IFA.ADDRESS, spec.peer === undefined ? address : parseAddress(spec.peer));
  if (spec.broadcast !== undefined) writer.bytesOf(IFA.BROADCAST, parseAddress(spec.broadcast));
  const flags = (spec.noDad === true ? F.NODAD : 0) | (spec.noPrefixRoute === true ? F.NOPREFIXROUTE : 0);
  if (flags !== 0) writer.u32(IFA.FLAGS, flags);
}

export function encodeInterfaceAddressFilter(
  writer: MessageWriter,
  { linkIndex }: InterfaceAddressFilter,
  family: Family,
): void {
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(family));
  if (linkIndex !== undefined) writer.put32(at + 4, linkIndex);
}

/** An address of a message; undefined for families other than IP. Throws `Malformed`. */
export function decodeInterfaceAddress(payload: Buffer): InterfaceAddress | undefined {
  needHeader(payload, SIZE, "ifaddrmsg");
  const family = familyOf(payload[0]!);
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload, SIZE);
  const far = attributes.bytes(IFA.ADDRESS);
  const near = attributes.bytes(IFA.LOCAL) ?? far;
  if (near === undefined) throw malformed("ifaddrmsg", "no address");
  const broadcast = attributes.bytes(IFA.BROADCAST);
  const flags = attributes.u32(IFA.FLAGS) ?? payload[2]!;
  return {
    family,
    linkIndex: payload.readUInt32LE(4),
    address: formatPrefix(near, payload[1]!),
    peer: far === undefined || far.equals(near) ? undefined : formatAddress(far),
    broadcast: broadcast === undefined ? undefined : formatAddress(broadcast),
    label: attributes.string(IFA.LABEL),
    scope: scopeOf(payload[3]!),
    permanent: (flags & F.PERMANENT) !== 0,
    tentative: (flags & F.TENTATIVE) !== 0,
    duplicate: (flags & F.DADFAILED) !== 0,
    noPrefixRoute: (flags & F.NOPREFIXROUTE) !== 0,
  };
}
