import ipaddr from "ipaddr.js";
import { buildInit } from "./sctp-init.ts";

/** An Ethernet frame to inject, above all its packet. */
export interface FrameSpec {
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly source: string;
  readonly destination: string;
  readonly payload: Transport;
  readonly hopLimit?: number;
}

export type Transport =
  | {
      readonly protocol: "tcp";
      readonly sourcePort: number;
      readonly destinationPort: number;
      readonly flags?: number;
      readonly sequence?: number;
      readonly acknowledge?: number;
      readonly data?: Buffer;
    }
  | {
      readonly protocol: "udp";
      readonly sourcePort: number;
      readonly destinationPort: number;
      readonly data?: Buffer;
    }
  | {
      readonly protocol: "sctp";
      readonly sourcePort: number;
      readonly destinationPort: number;
      readonly tag?: number;
    }
  | { readonly protocol: "icmp"; readonly type: number; readonly code: number; readonly rest?: Buffer }
  | { readonly protocol: number; readonly data?: Buffer };

export const tcpFlags = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 };

const macBytes = (mac: string) => Buffer.from(mac.replaceAll(":", ""), "hex");
const addressBytes = (address: string) => Buffer.from(ipaddr.parse(address).toByteArray());

/** A frame with valid lengths and checksums; conntrack calls a packet with a wrong one invalid. */
export function buildFrame(spec: FrameSpec): Buffer {
  const source = addressBytes(spec.source);
  const destination = addressBytes(spec.destination);
  const six = source.length === 16;
  const protocol = protocolNumber(spec.payload, six);
  const payload = buildTransport(spec.payload, source, destination, protocol);
  const packet = six
    ? ipv6Header(source, destination, protocol, payload.length, spec.hopLimit ?? 64)
    : ipv4Header(source, destination, protocol, payload.length, spec.hopLimit ?? 64);
  const link = Buffer.concat([
    macBytes(spec.destinationMac),
    macBytes(spec.sourceMac),
    Buffer.from(six ? [0x86, 0xdd] : [0x08, 0x00]),
  ]);
  return Buffer.concat([link, packet, payload]);
}

/** An ARP message for IPv4 over Ethernet. */
export function buildArp(spec: {
  operation: 1 | 2;
  senderMac: string;
  senderIp: string;
  targetMac: string;
  targetIp: string;
  destinationMac: string;
}): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt16BE(1, 0);
  body.writeUInt16BE(0x0800, 2);
  body[4] = 6;
  body[5] = 4;
  body.writeUInt16BE(spec.operation, 6);
  return Buffer.concat([
    macBytes(spec.destinationMac),
    macBytes(spec.senderMac),
    Buffer.from([0x08, 0x06]),
    body,
    macBytes(spec.senderMac),
    addressBytes(spec.senderIp),
    macBytes(spec.targetMac),
    addressBytes(spec.targetIp),
  ]);
}

/** The body of a neighbour solicitation or advertisement after type, code and checksum. */
export function neighbourBody(target: string, flags = 0): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(flags >>> 0);
  return Buffer.concat([head, addressBytes(target)]);
}

function protocolNumber(payload: Transport, six: boolean): number {
  if (typeof payload.protocol === "number") return payload.protocol;
  return { tcp: 6, udp: 17, sctp: 132, icmp: six ? 58 : 1 }[payload.protocol];
}

function buildTransport(payload: Transport, source: Buffer, destination: Buffer, protocol: number): Buffer {
  const pseudo = pseudoHeader(source, destination, protocol);
  if (typeof payload.protocol === "number")
    return "data" in payload && payload.data ? payload.data : Buffer.alloc(8);
  switch (payload.protocol) {
    case "tcp": {
      const { data = Buffer.alloc(0), flags = tcpFlags.syn } = payload;
      const bytes = Buffer.concat([Buffer.alloc(20), data]);
      bytes.writeUInt16BE(payload.sourcePort, 0);
      bytes.writeUInt16BE(payload.destinationPort, 2);
      bytes.writeUInt32BE((payload.sequence ?? 1000) >>> 0, 4);
      bytes.writeUInt32BE((payload.acknowledge ?? 0) >>> 0, 8);
      bytes[12] = 5 << 4;
      bytes[13] = flags;
      bytes.writeUInt16BE(65535, 14);
      return withChecksum(bytes, 16, pseudo);
    }
    case "udp": {
      const { data = Buffer.from("probe") } = payload;
      const bytes = Buffer.concat([Buffer.alloc(8), data]);
      bytes.writeUInt16BE(payload.sourcePort, 0);
      bytes.writeUInt16BE(payload.destinationPort, 2);
      bytes.writeUInt16BE(bytes.length, 4);
      return withChecksum(bytes, 6, pseudo);
    }
    case "sctp":
      return buildInit(payload.sourcePort, payload.destinationPort, payload.tag ?? 1);
    case "icmp": {
      const { rest = Buffer.from([0, 1, 0, 1]) } = payload;
      const bytes = Buffer.concat([Buffer.from([payload.type, payload.code, 0, 0]), rest]);
      return withChecksum(bytes, 2, source.length === 16 ? pseudo : Buffer.alloc(0));
    }
  }
}

function ipv4Header(
  source: Buffer,
  destination: Buffer,
  protocol: number,
  length: number,
  ttl: number,
): Buffer {
  const bytes = Buffer.alloc(12);
  bytes[0] = 0x45;
  bytes.writeUInt16BE(20 + length, 2);
  bytes[8] = ttl;
  bytes[9] = protocol;
  return withChecksum(Buffer.concat([bytes, source, destination]), 10, Buffer.alloc(0));
}

function ipv6Header(
  source: Buffer,
  destination: Buffer,
  protocol: number,
  length: number,
  hops: number,
): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = 0x60;
  bytes.writeUInt16BE(length, 4);
  bytes[6] = protocol;
  bytes[7] = hops;
  return Buffer.concat([bytes, source, destination]);
}

/** Without the length, which is added when it is known. */
function pseudoHeader(source: Buffer, destination: Buffer, protocol: number): Buffer {
  return Buffer.concat([source, destination, Buffer.from([0, protocol])]);
}

function withChecksum(bytes: Buffer, at: number, pseudo: Buffer): Buffer {
  let sum = pseudo.length > 0 ? bytes.length : 0;
  for (const part of [pseudo, bytes]) {
    for (let index = 0; index < part.length; index += 2)
      sum += ((part[index] ?? 0) << 8) | (part[index + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(~sum & 0xffff, at);
  return bytes;
}
