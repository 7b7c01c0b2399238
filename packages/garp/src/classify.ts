/**
 * Whether a frame is the announcement of the machine we wait for. Pure; the kernel's filter (`filter.ts`) has asked the cheap half
 * before.
 *
 * What a forger would need: the host-side veth hears only what comes out of this one pod, so he sits in the pod or on its bridge. He must use
 * the VM's own MAC both in the Ethernet header and inside, and announce an address of the VM. Then he is, to the network, the VM.
 */
import { formatAddress, formatMac, parseAddress, parseMac } from "@fairlead/netlink";
import type { AnnouncementKind } from "./announcement.ts";
import {
  ARP,
  checksumIsValid,
  ETH,
  ETHERTYPE,
  IPV6,
  NA,
  NEIGHBOUR_ADVERTISEMENT,
  TARGET_LINK_LAYER_ADDRESS,
} from "./frame.ts";

/** Who is expected. */
export interface Expectation {
  /** The VM's MAC: `02:00:00:00:00:01`. */
  readonly mac: string;
  /** The VM's addresses, both families, without prefix lengths. */
  readonly addresses: readonly string[];
}

/** Why a frame is no announcement of the expected machine. */
export type Refusal =
  | "too short"
  | "other source MAC"
  | "other ethertype"
  | "VLAN tag"
  | "malformed ARP"
  | "malformed RARP"
  | "RARP that is no request"
  | "other hardware address inside"
  | "ARP for another address than its sender's"
  | "address of another machine"
  | "not ICMPv6"
  | "not a neighbour advertisement"
  | "hop limit below 255"
  | "solicited advertisement"
  | "other target link-layer address"
  | "bad option"
  | "bad checksum";

/** The judgement on one frame. */
export type Classification =
  | { readonly accepted: true; readonly kind: AnnouncementKind; readonly address: string | undefined }
  | { readonly accepted: false; readonly reason: Refusal };

/** An expectation with its bytes ready. Throws `NetlinkError` `Invalid` for text that is no MAC or address. */
export interface Identity {
  readonly mac: Buffer;
  readonly addresses: readonly Buffer[];
}

export const identityOf = ({ mac, addresses }: Expectation): Identity => ({
  mac: parseMac(mac),
  addresses: addresses.map(parseAddress),
});

/** Judges a frame, from the destination MAC on. */
export const classify = (frame: Buffer, expectation: Expectation): Classification =>
  classifyFor(frame, identityOf(expectation));

export function classifyFor(frame: Buffer, expected: Identity): Classification {
  if (frame.length < ETH.size) return refuse("too short");
  if (!has(frame, ETH.source, expected.mac)) return refuse("other source MAC");
  switch (frame.readUInt16BE(ETH.type)) {
    case ETHERTYPE.RARP:
      return classifyRarp(frame, expected);
    case ETHERTYPE.ARP:
      return classifyArp(frame, expected);
    case ETHERTYPE.IPV6:
      return classifyAdvertisement(frame, expected);
    case ETHERTYPE.VLAN:
    case ETHERTYPE.SERVICE_VLAN:
      return refuse("VLAN tag");
    default:
      return refuse("other ethertype");
  }
}

/** RFC 903: a machine asks for its own address; sender and target hardware address are its own. */
function classifyRarp(frame: Buffer, { mac }: Identity): Classification {
  const problem = arpLayout(frame);
  if (problem !== undefined) return refuse(problem === "too short" ? problem : "malformed RARP");
  if (frame.readUInt16BE(ARP.operation) !== ARP.RARP_REQUEST) return refuse("RARP that is no request");
  if (!has(frame, ARP.senderHardware, mac) || !has(frame, ARP.targetHardware, mac)) {
    return refuse("other hardware address inside");
  }
  return { accepted: true, kind: "rarp", address: undefined };
}

/** RFC 5227 2.3 (announcement: request) and RFC 5944 4.6 (gratuitous reply): sender and target address are the same. A probe (sender 0) is none. */
function classifyArp(frame: Buffer, { mac, addresses }: Identity): Classification {
  const problem = arpLayout(frame);
  if (problem !== undefined) return refuse(problem);
  const operation = frame.readUInt16BE(ARP.operation);
  if (operation !== ARP.REQUEST && operation !== ARP.REPLY) return refuse("malformed ARP");
  if (!has(frame, ARP.senderHardware, mac)) return refuse("other hardware address inside");
  const sender = frame.subarray(ARP.senderAddress, ARP.senderAddress + 4);
  if (!has(frame, ARP.targetAddress, sender)) return refuse("ARP for another address than its sender's");
  if (!addresses.some((address) => address.equals(sender))) return refuse("address of another machine");
  return { accepted: true, kind: "garp", address: formatAddress(sender) };
}

/** Ethernet and IPv4, or why not. */
function arpLayout(frame: Buffer): "too short" | "malformed ARP" | undefined {
  if (frame.length < ARP.end) return "too short";
  const fits =
    frame.readUInt16BE(ARP.hardwareType) === 1 &&
    frame.readUInt16BE(ARP.protocolType) === ETHERTYPE.IPV4 &&
    frame[ARP.hardwareLength] === 6 &&
    frame[ARP.protocolLength] === 4;
  return fits ? undefined : "malformed ARP";
}

/** RFC 4861 7.1.2 and 7.2.6. The target may be a link-local address: after a migration guests announce it first, and only the MAC tells whose. */
function classifyAdvertisement(frame: Buffer, { mac, addresses }: Identity): Classification {
  if (frame.length < IPV6.end) return refuse("too short");
  if (frame[IPV6.nextHeader] !== IPV6.ICMPV6) return refuse("not ICMPv6");
  if (frame.length < NA.options) return refuse("too short");
  if (frame[NA.type] !== NEIGHBOUR_ADVERTISEMENT || frame[NA.code] !== 0)
    return refuse("not a neighbour advertisement");
  if (frame[IPV6.hopLimit] !== 255) return refuse("hop limit below 255");
  const end = IPV6.end + frame.readUInt16BE(IPV6.payloadLength);
  if (end < NA.options || end > frame.length) return refuse("too short");
  if ((frame[NA.flags]! & NA.SOLICITED) !== 0) return refuse("solicited advertisement");
  const target = frame.subarray(NA.target, NA.target + 16);
  const linkLocal = target[0] === 0xfe && (target[1]! & 0xc0) === 0x80;
  if (!linkLocal && !addresses.some((address) => address.equals(target)))
    return refuse("address of another machine");
  const option = linkLayerOption(frame.subarray(NA.options, end));
  if (option === "bad option") return refuse("bad option");
  if (option === undefined || !option.equals(mac)) return refuse("other target link-layer address");
  if (!checksumIsValid(frame, end)) return refuse("bad checksum");
  return { accepted: true, kind: "na", address: formatAddress(target) };
}

/** The six bytes of the target link-layer address option; options are walked with care, each states its own length in units of 8 bytes. */
function linkLayerOption(options: Buffer): Buffer | "bad option" | undefined {
  let found: Buffer | undefined;
  for (let at = 0; at < options.length; ) {
    const length = (options[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > options.length) return "bad option";
    if (options[at] === TARGET_LINK_LAYER_ADDRESS) found ??= options.subarray(at + 2, at + 8);
    at += length;
  }
  return found;
}

const has = (frame: Buffer, at: number, bytes: Buffer): boolean =>
  bytes.equals(frame.subarray(at, at + bytes.length));

const refuse = (reason: Refusal): Classification => ({ accepted: false, reason });

/** For messages. */
export const describeIdentity = ({ mac, addresses }: Identity): string =>
  `${formatMac(mac)} (${addresses.map(formatAddress).join(", ")})`;
