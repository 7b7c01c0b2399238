import { type NetworkNamespace, RouteSocket, TunTap, writeSysctl } from "@fairlead/netlink";

/** The kernel counts, so that guests may leave at the same time. */
const name = "fairlead%d";

/** "IPv4 dummy address" of RFC 7600: for hosts that need one where none is used. */
const dummyAddress = "192.0.0.8/32";

/**
 * A tun link through which packets come back into the host's network. The kernel forwards them as it forwarded them before: it looks up the route,
 * asks the host's policy, and does what was left to a network card.
 */
export function openReturnPath(netns: NetworkNamespace): TunTap {
  const tun = TunTap.open({ kind: "tun", name, netns });
  try {
    const set = (key: readonly string[], value: number) => writeSysctl(key, value, { netns });
    // Their senders live behind another link: 2 looks for a route back through any.
    set(["ipv4", "conf", tun.name, "rp_filter"], 2);
    set(["ipv4", "conf", tun.name, "forwarding"], 1);
    set(["ipv6", "conf", tun.name, "forwarding"], 1);
    // No link-local address: nobody is there to talk to.
    set(["ipv6", "conf", tun.name, "addr_gen_mode"], 1);
    using route = RouteSocket.open({ netns });
    const linkIndex = route.links.get(tun.name)!.index;
    // A link without any address takes no packet whose sender lives behind another.
    route.addresses.add({ linkIndex, address: dummyAddress, scope: "host" });
    route.links.set(linkIndex, { up: true });
    return tun;
  } catch (error) {
    tun[Symbol.dispose]();
    throw error;
  }
}
