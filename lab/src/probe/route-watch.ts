import { type NetworkNamespace, RouteSocket, type Subscription } from "@fairlead/netlink";

/** One change of a route to the VM, as a kernel told its listeners. */
export interface RouteChange {
  readonly at: number;
  /** The node or router in whose kernel it happened. */
  readonly where: string;
  readonly family: 4 | 6;
  readonly change: "added" | "removed";
  readonly metric: number;
  /** `workload`: to the local guest (route protocol 80). `bgp`: installed by BIRD or FRR. */
  readonly origin: "workload" | "bgp" | "other";
  /** Next hop, for routes to another node. */
  readonly gateway?: string;
}

/** Route protocols (rtnetlink.h, /etc/iproute2/rt_protos) that tell who installed a route to the guest. */
const origins: Readonly<Record<number, RouteChange["origin"]>> = {
  80: "workload",
  12: "bgp",
  186: "bgp",
};

/**
 * Reports every change of a host route to one of `addresses` in a namespace, timed when the kernel's message is taken from the
 * socket. It listens to the kernel itself, so it does not depend on what an agent or a router says of its own doing.
 */
export function watchRoutes(options: {
  readonly netns: NetworkNamespace;
  readonly where: string;
  /** Host addresses without prefix length, as the kernel writes them. */
  readonly addresses: readonly string[];
  readonly onChange: (change: RouteChange) => void;
}): Subscription {
  const destinations = new Set(
    options.addresses.map((address) => `${address}/${address.includes(":") ? 128 : 32}`),
  );
  const socket = RouteSocket.open({ netns: options.netns });
  const subscription = socket.subscribe(["route"], (event) => {
    if (event.type !== "route" || !destinations.has(event.route.destination)) return;
    const { family, metric, protocol, gateway, nextHops } = event.route;
    const via = gateway ?? nextHops?.[0]?.gateway;
    options.onChange({
      at: Number(event.at) / 1e6,
      where: options.where,
      family,
      change: event.change === "new" ? "added" : "removed",
      metric,
      origin: origins[protocol] ?? "other",
      ...(via === undefined ? {} : { gateway: via }),
    });
  });
  const close = () => {
    subscription.close();
    socket.close();
  };
  return { close, [Symbol.dispose]: close };
}
