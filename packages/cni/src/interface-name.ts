import { createHash } from "node:crypto";

/** The MAC of every host-side interface: a guest that moves keeps its gateway's MAC in its neighbour table. */
export const hostMac = "ee:ee:ee:ee:ee:ee";

/** IPv4 gateway of every pod, the same on every node. */
export const gateway4 = "169.254.1.1";

/** IPv6 gateway of every pod: the link-local address that follows from {@link hostMac} (RFC 4291, modified EUI-64). */
export const gateway6 = "fe80::ecee:eeff:feee:eeee";

const hashed = (text: string) => createHash("sha1").update(text).digest("hex").slice(0, 11);

/**
 * The name a pod's host-side interface usually has: a prefix and 11 hex digits of SHA-1 of `namespace.pod`. These are
 * 44 bits, and whoever may create pods can find two that share them. So the name identifies nobody: see
 * {@link hostInterfaceNames}, and `podKey` for who is who.
 */
export function hostInterfaceName(pod: { namespace: string; name: string }, prefix = "cali"): string {
  return prefix + hashed(`${pod.namespace}.${pod.name}`);
}

/** The names a pod's host-side interface may have, in the order in which they are tried. No object's name has a "#". */
export function hostInterfaceNames(pod: { namespace: string; name: string }): readonly string[] {
  const others = Array.from(
    { length: 7 },
    (_, n) => `cali${hashed(`${pod.namespace}.${pod.name}#${n + 1}`)}`,
  );
  return [hostInterfaceName(pod), ...others];
}

/**
 * The MAC of a VM's pods when nobody asked for one: a locally administered address that follows from the VM's name (46
 * bits; two VMs that share it do no harm, because each has a link of its own and nothing is looked up by it).
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
