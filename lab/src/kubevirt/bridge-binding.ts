import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";
import type { PodNetwork } from "./pod-network.ts";

const run = promisify(execFile);

/** Names inside the launcher's network namespace, as KubeVirt gives them for the first interface. */
export const binding = {
  bridge: "k6t-eth0",
  bridgeAddress: "169.254.75.10",
  podInterface: "eth0-nic",
  placeholder: "eth0",
  tap: "tap0",
} as const;

/** One command inside the pod's network namespace. */
export type Command = readonly string[];

/**
 * What KubeVirt's virt-handler does in a launcher's network namespace for the bridge binding, in its order.
 *
 * The guest takes the pod's place: bridge between the pod's veth and the guest's tap, the pod's addresses parked on an
 * interface that is down. KubeVirt parks them on a dummy; a kernel without dummies does as well with a tap nobody opens.
 */
export function bridgeBinding(pod: PodNetwork, bridgeMac: string = randomMac()): Command[] {
  const ip = (...argv: string[]): Command => ["ip", ...argv];
  const { bridge, bridgeAddress, podInterface, placeholder, tap } = binding;
  const hasIpv4 = pod.ipv4.length > 0;
  const mtu = String(pod.mtu);
  return [
    ip("link", "add", bridge, "address", bridgeMac, "type", "bridge"),
    ...(hasIpv4 ? [ip("address", "add", `${bridgeAddress}/32`, "dev", bridge)] : []),
    ip("link", "set", bridge, "up"),
    ip("link", "set", "eth0", "down"),
    ip("link", "set", "eth0", "name", podInterface, "address", bridgeMac, "master", bridge),
    ip("address", "flush", "dev", podInterface),
    ip("link", "set", podInterface, "up"),
    ["bridge", "link", "set", "dev", podInterface, "learning", "off"],
    ip("tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr"),
    ip("link", "set", tap, "mtu", mtu, "master", bridge, "up"),
    ip("tuntap", "add", "dev", placeholder, "mode", "tap"),
    ip("link", "set", placeholder, "address", pod.mac, "mtu", mtu),
    ...[...pod.ipv4, ...pod.ipv6].map((address) => ip("address", "add", address, "dev", placeholder)),
    ...(hasIpv4 ? [["sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1"]] : []),
  ];
}

/**
 * Wires the binding in the network namespace at the path. Once per namespace: like KubeVirt's it cannot be repeated
 * after a partial failure, the pod is then lost.
 */
export async function applyBridgeBinding(netns: string, pod: PodNetwork): Promise<void> {
  for (const command of bridgeBinding(pod)) {
    await run("nsenter", [`--net=${netns}`, "--", ...command], { timeout: 5_000 });
  }
}

function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
