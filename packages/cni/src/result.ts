import { isIPv4 } from "node:net";
import { gateway4, gateway6, hostMac } from "./interface-name.ts";
import { type CniVersion, isAtLeast } from "./version.ts";

/** A wired pod interface, as far as a CNI result tells of it. */
export interface WiredInterface {
  readonly hostInterface: string;
  readonly containerInterface: string;
  readonly netns: string;
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
  /** Plain addresses; each becomes a /32 or /128. */
  readonly addresses: readonly string[];
}

/** A result object of the CNI specification, in the version that was asked for. */
export type CniResult = Readonly<Record<string, unknown>>;

const prefixLength = (address: string) => (isIPv4(address) ? 32 : 128);
const gatewayOf = (address: string) => (isIPv4(address) ? gateway4 : gateway6);
const defaultOf = (address: string) => (isIPv4(address) ? "0.0.0.0/0" : "::/0");

/** `address` with its full prefix length. */
export const asHostPrefix = (address: string) => `${address}/${prefixLength(address)}`;

/** The result of ADD in the shape of `version` (the shapes changed with 0.3.0, 1.0.0 and 1.1.0). */
export function formatResult(version: CniVersion, wired: WiredInterface): CniResult {
  const { addresses } = wired;
  if (!isAtLeast(version, "0.3.0")) return formatOldest(version, addresses);
  const familyOf = (address: string) =>
    isAtLeast(version, "1.0.0") ? {} : { version: isIPv4(address) ? "4" : "6" };
  const mtu = isAtLeast(version, "1.1.0") ? { mtu: wired.mtu } : {};
  return {
    cniVersion: version,
    interfaces: [
      { name: wired.hostInterface, mac: hostMac, ...mtu },
      { name: wired.containerInterface, mac: wired.mac, sandbox: wired.netns, ...mtu },
    ],
    ips: addresses.map((address) => ({
      ...familyOf(address),
      address: asHostPrefix(address),
      gateway: gatewayOf(address),
      interface: 1,
    })),
    routes: addresses.map((address) => ({ dst: defaultOf(address), gw: gatewayOf(address) })),
    dns: {},
  };
}

/** 0.1.0 and 0.2.0 know one address of each family and no interfaces. */
function formatOldest(version: CniVersion, addresses: readonly string[]): CniResult {
  const part = (address: string | undefined) =>
    address && {
      ip: asHostPrefix(address),
      gateway: gatewayOf(address),
      routes: [{ dst: defaultOf(address), gw: gatewayOf(address) }],
    };
  const ip4 = part(addresses.find((address) => isIPv4(address)));
  const ip6 = part(addresses.find((address) => !isIPv4(address)));
  return { cniVersion: version, ...(ip4 && { ip4 }), ...(ip6 && { ip6 }), dns: {} };
}

/** What the IPAM plug-in (`calico-ipam`) answers: addresses, and one route per address unless the pod must not attract traffic. */
export function formatAddresses(
  version: CniVersion,
  addresses: readonly string[],
  attract: boolean,
): CniResult {
  if (!isAtLeast(version, "0.3.0")) return formatOldest(version, addresses);
  return {
    cniVersion: version,
    ips: addresses.map((address) => ({
      ...(isAtLeast(version, "1.0.0") ? {} : { version: isIPv4(address) ? "4" : "6" }),
      address: asHostPrefix(address),
    })),
    routes: attract ? addresses.map((address) => ({ dst: asHostPrefix(address) })) : [],
    dns: {},
  };
}

/** The plain addresses a previous result speaks of, whatever its version. Unreadable: none. */
export function addressesOf(result: unknown): readonly string[] {
  if (typeof result !== "object" || result === null) return [];
  const { ips, ip4, ip6 } = result as { ips?: unknown; ip4?: { ip?: unknown }; ip6?: { ip?: unknown } };
  const listed = Array.isArray(ips)
    ? ips.map((ip: { address?: unknown } | null) => ip?.address)
    : [ip4?.ip, ip6?.ip];
  return listed.filter((text) => typeof text === "string").map((text) => text.split("/")[0] ?? "");
}
