import { createHash } from "node:crypto";

/** The MAC of every host-side interface: a guest that moves keeps its gateway's MAC in its neighbour table. */
export const hostMac = "ee:ee:ee:ee:ee:ee";

/** IPv4 gateway of every pod, the same on every node. */
export const gateway4 = "169.254.1.1";

/** IPv6 gateway of every pod: the link-local address that follows from {@link hostMac} (RFC 4291, modified EUI-64). */
export const gateway6 = "fe80::ecee:eeff:feee:eeee";

/** Name of the host-side interface of a pod: a prefix and 11 hex digits of SHA-1 of `namespace.pod`. */
export function hostInterfaceName(pod: { namespace: string; name: string }, prefix = "cali"): string {
  return prefix + createHash("sha1").update(`${pod.namespace}.${pod.name}`).digest("hex").slice(0, 11);
}

/**
 * The MAC of a VM's pods when nobody asked for one: a locally administered address that follows from the VM's name.
 * Every pod of the VM has it, so a guest that took its MAC from its first pod meets the same MAC after a restart, and
 * KubeVirt's DHCP server, which answers one MAC only, still answers after a migration.
 */
export function vmMac(vm: { namespace: string; name: string }): string {
  const digest = createHash("sha256")
    .update(`fairlead mac ${vm.namespace}/${vm.name}`)
    .digest()
    .subarray(0, 6);
  digest[0] = (digest[0]! & 0xfc) | 0x02;
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}
