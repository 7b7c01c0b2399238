/** What the cases of workload routes begin with and look at. */
import assert from "node:assert/strict";
import type { RouteSocket } from "@fairlead/netlink";
import type { RouteState, Workload } from "./workload.ts";

/** Something workload routes do, begun in a fresh namespace. */
export interface WorkloadRoutesCase {
  readonly name: string;
  run(route: RouteSocket): void | Promise<void>;
}

export const v4 = "10.0.0.5/32";
export const v6 = "fd00::5/128";

export const vm = (state: RouteState, more: Partial<Workload> = {}): Workload => ({
  interfaceName: "cali0",
  addresses: ["10.0.0.5", "fd00::5"],
  state,
  ...more,
});

export function wire(route: RouteSocket, name = "cali0"): number {
  return route.links.add({ kind: "veth", name, up: true, peer: { name: `${name}p`, up: true } }).index;
}

/** `destination metric protocol` of each route to the VM, sorted. */
export const table = (route: RouteSocket): string[] =>
  [v4, v6].flatMap((destination) =>
    route.routes
      .list({ destination, table: 254 })
      .map(({ metric, protocol, linkIndex }) => `${destination} ${metric} ${protocol} ${linkIndex}`),
  );

export const both = (metric: number, linkIndex: number, protocol = 80): string[] =>
  [v4, v6].map((destination) => `${destination} ${metric} ${protocol} ${linkIndex}`);

export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it happened within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** An uplink on which BIRD installs its routes. */
export function uplink(route: RouteSocket): (metric: number) => void {
  const index = wire(route, "eth0");
  route.addresses.add({ linkIndex: index, address: "192.0.2.1/24" });
  route.addresses.add({ linkIndex: index, address: "2001:db8::1/64", noDad: true });
  return (metric) => {
    route.routes.add({ destination: v4, gateway: "192.0.2.2", metric, protocol: 12 });
    route.routes.add({ destination: v6, gateway: "2001:db8::2", metric, protocol: 12 });
  };
}
