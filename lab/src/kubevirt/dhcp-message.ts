import ipaddr from "ipaddr.js";
import type { PodNetwork } from "./pod-network.ts";

/** A DHCPv4 request, the parts an answer needs. Layout: RFC 2131 section 2. */
export interface DhcpRequest {
  readonly type: "DISCOVER" | "REQUEST";
  readonly mac: string;
  readonly raw: Buffer;
}

/** What the guest is told. Addresses in dotted form. */
export interface DhcpLease {
  readonly address: string;
  readonly prefixLength: number;
  readonly router: string;
  readonly mtu: number;
  readonly dns: readonly string[];
  readonly hostname: string;
  /** RFC 3442, the default route last; gateway 0.0.0.0 means on the link. */
  readonly routes: readonly { readonly destination: string; readonly gateway: string }[];
}

const cookie = 0x63825363;
const headerLength = 240;
/** KubeVirt never wants to be asked again: 999 days, in seconds. */
const leaseSeconds = 999 * 24 * 3600;
const option = {
  netmask: 1,
  router: 3,
  dns: 6,
  hostname: 12,
  mtu: 26,
  leaseTime: 51,
  messageType: 53,
  serverId: 54,
  routes: 121,
};
const messageTypes = { DISCOVER: 1, OFFER: 2, REQUEST: 3, ACK: 5 } as const;

/** The lease KubeVirt derives from a pod's eth0, or undefined: without an IPv4 address it serves no DHCP. */
export function leaseFor(
  pod: PodNetwork,
  more: { hostname: string; dns: readonly string[] },
): DhcpLease | undefined {
  const [address, length] = (pod.ipv4[0] ?? "").split("/");
  const routes = pod.routes
    .filter((route) => route.family === 4 && route.destination !== ownSubnet(pod.ipv4[0]))
    .map((route) => ({ destination: prefixOf(route.destination), gateway: route.gateway ?? "0.0.0.0" }));
  const router = pod.routes.find((route) => route.family === 4 && route.gateway !== undefined)?.gateway;
  if (!address || router === undefined) return undefined;
  const isDefault = (route: { destination: string }) => (route.destination === "0.0.0.0/0" ? 1 : 0);
  routes.sort((a, b) => isDefault(a) - isDefault(b));
  return { address, prefixLength: Number(length), router, mtu: pod.mtu, routes, ...more };
}

function prefixOf(destination: string): string {
  if (destination === "default") return "0.0.0.0/0";
  return destination.includes("/") ? destination : `${destination}/32`;
}

function ownSubnet(address: string | undefined): string | undefined {
  if (address === undefined || address.endsWith("/32")) return undefined;
  return `${ipaddr.IPv4.networkAddressFromCIDR(address)}/${address.split("/")[1]}`;
}

/** Reads a DISCOVER or REQUEST; anything else is undefined, as KubeVirt ignores it silently. */
export function parseDhcpRequest(message: Buffer): DhcpRequest | undefined {
  if (message.length < headerLength || message[0] !== 1 || message.readUInt32BE(236) !== cookie)
    return undefined;
  const type = findOption(message, option.messageType)?.[0];
  const name =
    type === messageTypes.DISCOVER ? "DISCOVER" : type === messageTypes.REQUEST ? "REQUEST" : undefined;
  if (name === undefined) return undefined;
  const mac = [...message.subarray(28, 34)].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
  return { type: name, mac, raw: message };
}

function findOption(message: Buffer, wanted: number): Buffer | undefined {
  for (let at = headerLength; at < message.length && message[at] !== 255; ) {
    if (message[at] === 0) {
      at += 1;
      continue;
    }
    const length = message[at + 1] ?? 0;
    if (message[at] === wanted) return message.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}

/** OFFER for a DISCOVER, ACK for a REQUEST. */
export function dhcpReply(request: DhcpRequest, lease: DhcpLease, server: string): Buffer {
  const header = Buffer.from(request.raw.subarray(0, headerLength));
  header[0] = 2;
  header.fill(0, 8, 28); // secs, flags, client, your, server and relay address
  request.raw.copy(header, 10, 10, 12); // flags
  header.set(ipv4Bytes(lease.address), 16);
  header.set(ipv4Bytes(server), 20);
  header.fill(0, 44, 236);
  const type = request.type === "DISCOVER" ? messageTypes.OFFER : messageTypes.ACK;
  const options: [number, Uint8Array][] = [
    [option.messageType, Buffer.of(type)],
    [option.serverId, ipv4Bytes(server)],
    [option.leaseTime, uint32(leaseSeconds)],
    [option.netmask, ipv4Bytes(ipaddr.IPv4.subnetMaskFromPrefixLength(lease.prefixLength).toString())],
    [option.router, ipv4Bytes(lease.router)],
    [option.dns, Buffer.concat(lease.dns.map(ipv4Bytes))],
    [option.mtu, Buffer.of(lease.mtu >> 8, lease.mtu & 255)],
    [option.hostname, Buffer.from(lease.hostname)],
    [option.routes, encodeRoutes(lease.routes)],
  ];
  const encoded = options
    .filter(([, value]) => value.length > 0)
    .map(([code, value]) => Buffer.concat([Buffer.of(code, value.length), value]));
  return Buffer.concat([header, ...encoded, Buffer.of(255)]);
}

/** RFC 3442: prefix length, as many octets of the destination as that needs, gateway. */
export function encodeRoutes(routes: DhcpLease["routes"]): Buffer {
  return Buffer.concat(
    routes.map(({ destination, gateway }) => {
      const [network, length] = destination.split("/");
      const significant = Math.ceil(Number(length) / 8);
      return Buffer.of(
        Number(length),
        ...ipv4Bytes(network!).subarray(0, significant),
        ...ipv4Bytes(gateway),
      );
    }),
  );
}

const ipv4Bytes = (address: string): Buffer => Buffer.from(ipaddr.IPv4.parse(address).toByteArray());

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
