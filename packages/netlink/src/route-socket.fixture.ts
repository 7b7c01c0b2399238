/** What the cases of `RouteSocket` begin with and look at. */
import assert from "node:assert/strict";
import type { NetlinkErrorCode } from "./error.ts";
import type { Link } from "./link.ts";
import type { RouteSocket } from "./route-socket.ts";

/** Something every `RouteSocket` does, begun in a fresh namespace. */
export interface RouteSocketCase {
  readonly name: string;
  run(route: RouteSocket): void | Promise<void>;
}

/** Both families of each prefix; what is said of one holds for the other. */
export const families = [
  {
    name: "IPv4",
    prefix: "10.9.0.1/32",
    network: "10.9.8.0/24",
    own: "192.0.2.1/24",
    gateway: "192.0.2.2",
    far: "198.51.100.1",
  },
  {
    name: "IPv6",
    prefix: "fd09::1/128",
    network: "fd09:8::/64",
    own: "2001:db8::1/64",
    gateway: "2001:db8::2",
    far: "2001:db8:9::1",
  },
] as const;

/** A veth that is up at both ends. */
export function wire(route: RouteSocket, name = "cali0"): Link {
  return route.links.add({ kind: "veth", name, up: true, peer: { name: `${name}p`, up: true } });
}

/** The call fails with this code. */
export const refuses = (code: NetlinkErrorCode, act: () => void): void =>
  assert.throws(act, { name: "NetlinkError", code });

/** Metrics of the routes to a destination, in the order they are listed. */
export const metrics = (route: RouteSocket, destination: string): number[] =>
  route.routes.list({ destination }).map(({ metric }) => metric);

/** Waits for a condition that events bring about. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "the events came within 30 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** One case for each family. */
export const perFamily = (
  name: string,
  run: (route: RouteSocket, family: (typeof families)[number]) => void,
) =>
  families.map(
    (family): RouteSocketCase => ({ name: `${name} (${family.name})`, run: (route) => run(route, family) }),
  );
