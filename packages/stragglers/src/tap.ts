import type { Link } from "@fairlead/netlink";

/**
 * The tap through which a guest in bridge binding reads: the one on the bridge that the pod's own interface was put into. Undefined where the guest
 * is bound otherwise.
 *
 * @param links all of the pod's namespace
 * @param hostLink index of the host's end of the pod's veth
 */
export function findTap(links: readonly Link[], hostLink: number): Link | undefined {
  const uplink = links.find(({ kind, peerIndex }) => kind === "veth" && peerIndex === hostLink);
  if (uplink?.master === undefined) return undefined;
  return links.find(({ kind, master }) => kind === "tun" && master === uplink.master);
}
