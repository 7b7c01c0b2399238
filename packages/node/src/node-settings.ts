import { type RouteSocket, writeSysctl } from "@fairlead/netlink";

/** A node that carries workloads forwards packets of both families. A kernel without IPv6 has nothing to set. */
export function enableForwarding(onMissing: (error: unknown) => void = () => {}): void {
  writeSysctl(["ipv4", "ip_forward"], 1);
  try {
    writeSysctl(["ipv6", "conf", "all", "forwarding"], 1);
  } catch (error) {
    onMissing(error);
  }
}

/**
 * The MTU for pods, in bytes: the smallest of the links that the node's default routes and BGP routes go out of; undefined when there is
 * none. Without an overlay nothing is subtracted.
 */
export function uplinkMtu(route: Pick<RouteSocket, "links" | "routes">): number | undefined {
  const defaults = route.routes
    .list({ table: 254 })
    .filter(({ destination }) => destination === "0.0.0.0/0" || destination === "::/0");
  const indexes = new Set(
    defaults.flatMap(({ linkIndex, nextHops }) => [
      linkIndex,
      ...(nextHops ?? []).map((hop) => hop.linkIndex),
    ]),
  );
  const mtus = route.links
    .list()
    .filter(({ index }) => indexes.has(index))
    .map(({ mtu }) => mtu);
  return mtus.length > 0 ? Math.min(...mtus) : undefined;
}
