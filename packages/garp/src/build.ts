/** Frames as guests send them, for tests and the lab. */
import { parseAddress, parseMac } from "@fairlead/netlink";
import {
  ARP,
  checksumOf,
  ETH,
  ETHERTYPE,
  IPV6,
  NA,
  NEIGHBOUR_ADVERTISEMENT,
  TARGET_LINK_LAYER_ADDRESS,
} from "./frame.ts";

const broadcast = parseMac("ff:ff:ff:ff:ff:ff");
/** The shortest Ethernet frame, without FCS. */
const SHORTEST = 60;

/** RARP request for the sender's own address, padded to 60 bytes: what QEMU sends for a guest after a migration. */
export function buildRarp(mac: string): Buffer {
  return arp(ETHERTYPE.RARP, ARP.RARP_REQUEST, parseMac(mac), Buffer.alloc(4));
}

/** Gratuitous ARP of an IPv4 address. Default operation: request, as Linux guests send it. */
export function buildGratuitousArp(
  mac: string,
  address: string,
  operation: "request" | "reply" = "request",
): Buffer {
  return arp(
    ETHERTYPE.ARP,
    operation === "request" ? ARP.REQUEST : ARP.REPLY,
    parseMac(mac),
    parseAddress(address),
  );
}

function arp(ethertype: number, operation: number, mac: Buffer, address: Buffer): Buffer {
  const frame = Buffer.alloc(SHORTEST);
  ethernet(frame, broadcast, mac, ethertype);
  frame.writeUInt16BE(1, ARP.hardwareType);
  frame.writeUInt16BE(ETHERTYPE.IPV4, ARP.protocolType);
  frame[ARP.hardwareLength] = 6;
  frame[ARP.protocolLength] = 4;
  frame.writeUInt16BE(operation, ARP.operation);
  mac.copy(frame, ARP.senderHardware);
  address.copy(frame, ARP.senderAddress);
  mac.copy(frame, ARP.targetHardware);
  address.copy(frame, ARP.targetAddress);
  return frame;
}

/** Unsolicited neighbour advertisement of an IPv6 address to all nodes, with override flag and target link-layer address. */
export function buildAdvertisement(mac: string, address: string): Buffer {
  const hardware = parseMac(mac);
  const target = parseAddress(address);
  const end = NA.options + 8;
  const frame = Buffer.alloc(end);
  ethernet(frame, parseMac("33:33:00:00:00:01"), hardware, ETHERTYPE.IPV6);
  frame[ETH.size] = 0x60;
  frame.writeUInt16BE(end - IPV6.end, IPV6.payloadLength);
  frame[IPV6.nextHeader] = IPV6.ICMPV6;
  frame[IPV6.hopLimit] = 255;
  target.copy(frame, IPV6.source);
  parseAddress("ff02::1").copy(frame, IPV6.destination);
  frame[NA.type] = NEIGHBOUR_ADVERTISEMENT;
  frame[NA.flags] = NA.OVERRIDE;
  target.copy(frame, NA.target);
  frame[NA.options] = TARGET_LINK_LAYER_ADDRESS;
  frame[NA.options + 1] = 1;
  hardware.copy(frame, NA.options + 2);
  frame.writeUInt16BE(checksumOf(frame, end), NA.checksum);
  return frame;
}

function ethernet(frame: Buffer, destination: Buffer, source: Buffer, type: number): void {
  destination.copy(frame, ETH.destination);
  source.copy(frame, ETH.source);
  frame.writeUInt16BE(type, ETH.type);
}
