import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { NetworkNamespace } from "./network-namespace.ts";
import type { RouteEvent } from "./route-event.ts";
import { routeSocketCases } from "./route-socket.cases.ts";
import { RouteSocket } from "./route-socket.ts";

test.each(routeSocketCases)("kernel: $name", async ({ run }) => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  await run(route);
});

test("the kernel's own words are part of an error", () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  route.links.set("lo", { up: true });
  expect(() =>
    route.routes.add({ destination: "10.0.0.1/24", linkIndex: 1, metric: 5 }),
  ).toThrowErrorMatchingInlineSnapshot(
    `[NetlinkError: add route 10.0.0.1/24 dev 1 metric 5: EINVAL: Invalid prefix for given prefix length]`,
  );
});

test("a multipath route is read back hop by hop", () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const { index } = route.links.add({ kind: "veth", name: "eth0", up: true, peer: { name: "p", up: true } });
  route.addresses.add({ linkIndex: index, address: "192.0.2.1/24" });
  route.addresses.add({ linkIndex: index, address: "2001:db8::1/64", noDad: true });
  for (const [destination, one, two] of [
    ["10.0.0.0/8", "192.0.2.2", "192.0.2.3"],
    ["fd00::/8", "2001:db8::2", "2001:db8::3"],
  ] as const) {
    route.routes.add({ destination, nextHops: [{ gateway: one }, { gateway: two, weight: 3 }], mtu: 1300 });
    const [found] = route.routes.list({ destination });
    expect(found?.nextHops).toEqual([
      { gateway: one, linkIndex: index, weight: 1, onlink: false },
      { gateway: two, linkIndex: index, weight: 3, onlink: false },
    ]);
    expect(found?.mtu).toBe(1300);
    expect(route.routes.list({ linkIndex: index, destination })).toHaveLength(1);
  }
});

test("an IPv4 route may have an IPv6 gateway", () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const { index } = route.links.add({ kind: "veth", name: "eth0", up: true, peer: { name: "p", up: true } });
  route.addresses.add({ linkIndex: index, address: "2001:db8::1/64", noDad: true });
  route.routes.add({ destination: "10.0.0.0/8", gateway: "2001:db8::2", linkIndex: index });
  expect(route.routes.list({ destination: "10.0.0.0/8" })[0]?.gateway).toBe("2001:db8::2");
});

test("a tap for QEMU is made in the socket's namespace, with what was asked for", () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const bridge = route.links.add({ kind: "bridge", name: "br0", up: true });
  const tap = route.links.add({
    kind: "tap",
    name: "tap0",
    vnetHeader: true,
    owner: 107,
    mtu: 1400,
    master: bridge.index,
  });
  expect([tap.kind, tap.mtu, tap.master]).toEqual(["tun", 1400, bridge.index]);
  expect(() => route.links.add({ kind: "tap", name: "tap0" })).toThrow(
    expect.objectContaining({ code: "Busy" }),
  );
  route.links.delete("tap0");
  expect(route.links.get("tap0")).toBeUndefined();
});

test("a veth's far end is made in another namespace, and a link can be moved there", () => {
  using here = NetworkNamespace.create();
  using there = NetworkNamespace.create();
  using route = RouteSocket.open({ netns: here });
  using other = RouteSocket.open({ netns: there });
  const near = route.links.add({
    kind: "veth",
    name: "cali0",
    up: true,
    peer: { name: "eth0", netns: there, up: true },
  });
  expect(near.carrier).toBe(true);
  expect(near.peerIndex).toBe(other.links.get("eth0")?.index);
  expect(near.peerNamespaceId).toBeTypeOf("number");
  route.links.set("cali0", { netns: there });
  expect(other.links.get("cali0")?.up).toBe(false);
  expect(other.links.get("cali0")?.peerNamespaceId).toBeUndefined();
});

test("20,000 routes are added, listed whole, and deleted in batches", () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const { index } = route.links.add({ kind: "veth", name: "cali0", up: true, peer: { name: "p", up: true } });
  const destinations = Array.from(
    { length: 20_000 },
    (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`,
  );
  const specs = destinations.map((destination) => ({
    destination,
    linkIndex: index,
    metric: 1024,
    protocol: 80,
  }));
  expect(
    route.routes.batch(specs.map((spec) => ({ op: "add", route: spec }))).filter((error) => error),
  ).toEqual([]);
  expect(route.routes.list({ protocol: 80, family: 4 }).map(({ destination }) => destination)).toEqual(
    destinations,
  );
  const again = route.routes.batch(specs.map((spec) => ({ op: "add", route: spec })));
  expect(again.filter((error) => error?.code === "AlreadyExists")).toHaveLength(20_000);
  expect(
    route.routes.batch(specs.map((spec) => ({ op: "delete", route: spec }))).filter((error) => error),
  ).toEqual([]);
  expect(route.routes.list({ protocol: 80 })).toEqual([]);
});

test("a subscriber that reads too late is told to resync", async () => {
  using netns = NetworkNamespace.create();
  using route = RouteSocket.open({ netns });
  const { index } = route.links.add({ kind: "veth", name: "cali0", up: true, peer: { name: "p", up: true } });
  const events: RouteEvent[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  using _ = route.subscribe(["route"], (event) => {
    events.push(event);
    if (event.type === "resync" && event.reason === "overrun") resolve();
  });
  // All synchronous: the events pile up in the socket until this function yields.
  const changes = Array.from({ length: 20_000 }, (_, i) => {
    const destination = `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`;
    return { op: "add", route: { destination, linkIndex: index } } as const;
  });
  route.routes.batch(changes);
  await promise;
  expect(events.length).toBeLessThan(20_000);
});

test("sockets and subscriptions leave no descriptor open", async () => {
  const once = async () => {
    using netns = NetworkNamespace.create();
    using route = RouteSocket.open({ netns });
    using _ = route.subscribe(["link"], () => {});
    route.links.add({ kind: "veth", name: "a", up: true, peer: { name: "b", up: true } });
    await new Promise((resolve) => setImmediate(resolve));
  };
  await once();
  const before = readdirSync("/proc/self/fd").length;
  for (let i = 0; i < 20; i++) await once();
  expect(readdirSync("/proc/self/fd").length).toBeLessThanOrEqual(before);
});

test("a closed socket says so", () => {
  using netns = NetworkNamespace.create();
  const route = RouteSocket.open({ netns });
  route.close();
  route.close();
  expect(() => route.links.list()).toThrow(expect.objectContaining({ code: "Closed" }));
});
