/** What every `RouteSocket` does, the kernel's and the fake. Each case begins with a fresh namespace. */
import assert from "node:assert/strict";
import type { NetlinkErrorCode } from "./error.ts";
import type { Link } from "./link.ts";
import type { RouteSpec } from "./route.ts";
import type { RouteEvent } from "./route-event.ts";
import type { RouteSocket } from "./route-socket.ts";

export interface RouteSocketCase {
  readonly name: string;
  run(route: RouteSocket): void | Promise<void>;
}

/** Both families of each prefix; what is said of one holds for the other. */
const families = [
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
function wire(route: RouteSocket, name = "cali0"): Link {
  return route.links.add({ kind: "veth", name, up: true, peer: { name: `${name}p`, up: true } });
}

const refuses = (code: NetlinkErrorCode, act: () => void): void =>
  assert.throws(act, { name: "NetlinkError", code });

const metrics = (route: RouteSocket, destination: string): number[] =>
  route.routes.list({ destination }).map(({ metric }) => metric);

/** Waits for a condition that events bring about. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "the events came within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const perFamily = (name: string, run: (route: RouteSocket, family: (typeof families)[number]) => void) =>
  families.map(
    (family): RouteSocketCase => ({ name: `${name} (${family.name})`, run: (route) => run(route, family) }),
  );

export const routeSocketCases: readonly RouteSocketCase[] = [
  {
    name: "a fresh namespace has one link, the loopback, and it is down",
    run(route) {
      assert.deepEqual(
        route.links.list().map(({ index, name, up }) => ({ index, name, up })),
        [{ index: 1, name: "lo", up: false }],
      );
    },
  },
  {
    name: "a veth is returned as it was asked for",
    run(route) {
      const link = route.links.add({
        kind: "veth",
        name: "cali0",
        address: "ee:ee:ee:ee:ee:ee",
        mtu: 1410,
        txQueues: 2,
        peer: { name: "eth0", address: "02:00:00:00:00:01", mtu: 1410 },
      });
      const { name, kind, address, mtu, txQueues, up } = link;
      assert.deepEqual(
        { name, kind, address, mtu, txQueues, up },
        { name: "cali0", kind: "veth", address: "ee:ee:ee:ee:ee:ee", mtu: 1410, txQueues: 2, up: false },
      );
      assert.equal(route.links.get("eth0")?.address, "02:00:00:00:00:01");
      assert.deepEqual(route.links.get(link.index), link);
    },
  },
  {
    name: "a veth whose ends are both up has a carrier",
    run(route) {
      const link = wire(route);
      assert.equal(link.up && link.carrier, true);
      assert.equal(route.links.get("cali0p")?.up, true);
    },
  },
  {
    name: "a name that is taken is refused, one that is no name before the kernel is asked",
    run(route) {
      wire(route);
      refuses("AlreadyExists", () => route.links.add({ kind: "bridge", name: "cali0" }));
      for (const name of ["", "a/b", "a b", "sixteen-bytes-xx", "..", "a:b"]) {
        refuses("Invalid", () => route.links.add({ kind: "bridge", name }));
      }
    },
  },
  {
    name: "a link that is not there is undefined to get and NoDevice to set and delete",
    run(route) {
      assert.equal(route.links.get("nope"), undefined);
      assert.equal(route.links.get(4711), undefined);
      refuses("NoDevice", () => route.links.set("nope", { up: true }));
      refuses("NoDevice", () => route.links.delete("nope"));
      refuses("NoDevice", () => route.links.delete(4711));
    },
  },
  {
    name: "set changes what is named and nothing else",
    run(route) {
      const link = wire(route);
      route.links.set(link.index, { mtu: 1300, group: 7 });
      route.links.set("cali0", { address: "02:00:00:00:00:07" });
      const { mtu, group, up, address } = route.links.get(link.index)!;
      assert.deepEqual(
        { mtu, group, up, address },
        { mtu: 1300, group: 7, up: true, address: "02:00:00:00:00:07" },
      );
      route.links.set(link.index, { name: "cali9" });
      assert.equal(route.links.get("cali9")?.index, link.index);
      assert.equal(route.links.get("cali0"), undefined);
    },
  },
  {
    name: "a bridge port learns until told otherwise, and leaves the bridge with master null",
    run(route) {
      const bridge = route.links.add({
        kind: "bridge",
        name: "br0",
        up: true,
        ageingTime: 0,
        forwardDelay: 0,
      });
      const port = wire(route);
      refuses("Unsupported", () => route.links.set(port.index, { bridgePort: { learning: false } }));
      route.links.set(port.index, { master: bridge.index });
      assert.equal(route.links.get(port.index)?.bridgePort?.learning, true);
      route.links.set(port.index, { bridgePort: { learning: false } });
      assert.equal(route.links.get(port.index)?.bridgePort?.learning, false);
      assert.deepEqual(
        route.links.list({ master: bridge.index }).map(({ name }) => name),
        ["cali0"],
      );
      route.links.set(port.index, { master: null });
      assert.equal(route.links.get(port.index)?.master, undefined);
    },
  },
  {
    name: "deleting one end of a veth deletes the other",
    run(route) {
      wire(route);
      route.links.delete("cali0p");
      assert.equal(route.links.get("cali0"), undefined);
    },
  },
  ...perFamily("a route comes back as it was added", (route, { prefix }) => {
    const { index } = wire(route);
    route.routes.add({ destination: prefix, linkIndex: index, metric: 512, protocol: 80 });
    const [found] = route.routes.list({ destination: prefix });
    const { destination, linkIndex, metric, protocol, table, type } = found!;
    assert.deepEqual(
      { destination, linkIndex, metric, protocol, table, type },
      { destination: prefix, linkIndex: index, metric: 512, protocol: 80, table: 254, type: "unicast" },
    );
  }),
  ...perFamily(
    "add refuses a prefix and metric that are taken, even on another link",
    (route, { prefix }) => {
      const one = wire(route);
      const two = wire(route, "cali1");
      route.routes.add({ destination: prefix, linkIndex: one.index, metric: 512 });
      refuses("AlreadyExists", () =>
        route.routes.add({ destination: prefix, linkIndex: one.index, metric: 512 }),
      );
      refuses("AlreadyExists", () =>
        route.routes.add({ destination: prefix, linkIndex: two.index, metric: 512 }),
      );
    },
  ),
  ...perFamily(
    "the same prefix with another metric is another route, and the lower one forwards",
    (route, { prefix }) => {
      const one = wire(route);
      const two = wire(route, "cali1");
      route.routes.add({ destination: prefix, linkIndex: one.index, metric: 1024 });
      route.routes.add({ destination: prefix, linkIndex: two.index, metric: 512 });
      assert.deepEqual(metrics(route, prefix), [512, 1024]);
      assert.equal(route.routes.lookup(prefix.split("/")[0]!).linkIndex, two.index);
    },
  ),
  ...perFamily(
    "replace changes the route with the same metric and leaves the others",
    (route, { prefix }) => {
      const one = wire(route);
      const two = wire(route, "cali1");
      route.routes.add({ destination: prefix, linkIndex: one.index, metric: 1024 });
      route.routes.add({ destination: prefix, linkIndex: one.index, metric: 512 });
      route.routes.replace({ destination: prefix, linkIndex: two.index, metric: 512 });
      assert.deepEqual(
        route.routes.list({ destination: prefix }).map(({ metric, linkIndex }) => [metric, linkIndex]),
        [
          [512, two.index],
          [1024, one.index],
        ],
      );
    },
  ),
  ...perFamily("replace adds where there is nothing", (route, { prefix }) => {
    const { index } = wire(route);
    route.routes.replace({ destination: prefix, linkIndex: index, metric: 7 });
    assert.deepEqual(metrics(route, prefix), [7]);
  }),
  ...perFamily(
    "prepend with high preference wins over an equal route without touching it",
    (route, { prefix, own, gateway }) => {
      const uplink = wire(route, "eth0");
      const { index } = wire(route);
      route.addresses.add({ linkIndex: uplink.index, address: own, noDad: true });
      route.routes.add({ destination: prefix, gateway, metric: 512, protocol: 12 });
      const ours: RouteSpec = {
        destination: prefix,
        linkIndex: index,
        metric: 512,
        protocol: 80,
        preference: "high",
      };
      route.routes.prepend(ours);
      assert.equal(route.routes.lookup(prefix.split("/")[0]!).linkIndex, index);
      assert.deepEqual(
        route.routes
          .list({ destination: prefix })
          .map(({ protocol }) => protocol)
          .sort(),
        [12, 80],
      );
      refuses("AlreadyExists", () => route.routes.prepend(ours));
      route.routes.delete({ destination: prefix, metric: 512, protocol: 80, linkIndex: index });
      assert.deepEqual(
        route.routes.list({ destination: prefix }).map(({ protocol }) => protocol),
        [12],
      );
    },
  ),
  ...perFamily("delete takes only what matches, and NotFound when nothing does", (route, { prefix }) => {
    const { index } = wire(route);
    route.routes.add({ destination: prefix, linkIndex: index, metric: 512, protocol: 80 });
    refuses("NotFound", () => route.routes.delete({ destination: prefix, metric: 1024 }));
    refuses("NotFound", () => route.routes.delete({ destination: prefix, protocol: 12 }));
    refuses("NotFound", () => route.routes.delete({ destination: prefix, table: 100 }));
    route.routes.delete({ destination: prefix });
    refuses("NotFound", () => route.routes.delete({ destination: prefix }));
  }),
  ...perFamily("a route over a link that is missing or down is refused", (route, { prefix }) => {
    const { index } = route.links.add({ kind: "veth", name: "cali0", peer: { name: "p" } });
    refuses("NetworkDown", () => route.routes.add({ destination: prefix, linkIndex: index }));
    refuses("NoDevice", () => route.routes.add({ destination: prefix, linkIndex: 4711 }));
  }),
  ...perFamily("a link that goes down takes its routes with it", (route, { prefix }) => {
    const { index } = wire(route);
    route.routes.add({ destination: prefix, linkIndex: index, metric: 512 });
    route.links.set(index, { up: false });
    assert.deepEqual(metrics(route, prefix), []);
  }),
  ...perFamily("a link that is deleted takes its routes with it", (route, { prefix }) => {
    const { index } = wire(route);
    route.routes.add({ destination: prefix, linkIndex: index, metric: 512 });
    route.links.delete(index);
    assert.deepEqual(metrics(route, prefix), []);
  }),
  ...perFamily(
    "a gateway must be on a connected network, unless onlink says so",
    (route, { network, own, gateway, far }) => {
      const { index } = wire(route);
      route.addresses.add({ linkIndex: index, address: own, noDad: true });
      route.routes.add({ destination: network, gateway });
      assert.equal(route.routes.list({ destination: network })[0]?.linkIndex, index);
      refuses("Unreachable", () => route.routes.add({ destination: network, gateway: far, metric: 5 }));
      route.routes.add({ destination: network, gateway: far, metric: 5, linkIndex: index, onlink: true });
    },
  ),
  ...perFamily("a blackhole answers a look-up with Unreachable or its errno", (route, { prefix }) => {
    route.links.set("lo", { up: true });
    route.routes.add({ destination: prefix, type: "blackhole", metric: 9 });
    assert.equal(route.routes.list({ destination: prefix })[0]?.type, "blackhole");
    assert.throws(() => route.routes.lookup(prefix.split("/")[0]!), { name: "NetlinkError" });
  }),
  ...perFamily("a table of its own holds routes apart", (route, { prefix }) => {
    const { index } = wire(route);
    route.routes.add({ destination: prefix, linkIndex: index, table: 5000, metric: 3 });
    assert.equal(route.routes.list({ table: 5000 }).length, 1);
    assert.equal(route.routes.list({ table: 254, destination: prefix }).length, 0);
    assert.deepEqual(route.routes.list({ table: 4999 }), []);
  }),
  ...perFamily("a batch is made in order and says which changes failed", (route, { prefix }) => {
    const { index } = wire(route);
    const spec = { destination: prefix, linkIndex: index, metric: 512 };
    const results = route.routes.batch([
      { op: "add", route: spec },
      { op: "add", route: spec },
      { op: "delete", route: { destination: prefix, metric: 1024 } },
      { op: "add", route: { ...spec, metric: 1024 } },
      { op: "delete", route: { destination: prefix, metric: 512 } },
    ]);
    assert.deepEqual(
      results.map((error) => error?.code),
      [undefined, "AlreadyExists", "NotFound", undefined, undefined],
    );
    assert.deepEqual(metrics(route, prefix), [1024]);
  }),
  {
    name: "an IPv4 prefix with host bits is refused",
    run(route) {
      const { index } = wire(route);
      refuses("Invalid", () => route.routes.add({ destination: "10.0.0.1/24", linkIndex: index }));
    },
  },
  {
    name: "IPv6 makes metric 1024 of 0, IPv4 keeps it",
    run(route) {
      const { index } = wire(route);
      for (const { prefix } of families) route.routes.add({ destination: prefix, linkIndex: index });
      assert.deepEqual(
        families.map(({ prefix }) => metrics(route, prefix)),
        [[0], [1024]],
      );
    },
  },
  {
    name: "an empty batch does nothing",
    run(route) {
      assert.deepEqual(route.routes.batch([]), []);
    },
  },
  ...perFamily(
    "an address is listed with its link and makes a route to its network",
    (route, { own, gateway }) => {
      const { index } = wire(route);
      route.addresses.add({ linkIndex: index, address: own, noDad: true });
      assert.equal(
        route.addresses.list({ linkIndex: index }).filter(({ address }) => address === own).length,
        1,
      );
      assert.equal(route.routes.lookup(gateway).linkIndex, index);
      refuses("AlreadyExists", () => route.addresses.add({ linkIndex: index, address: own }));
      route.addresses.delete({ linkIndex: index, address: own });
      refuses("NotFound", () => route.addresses.delete({ linkIndex: index, address: own }));
      assert.throws(() => route.routes.lookup(gateway), { code: "Unreachable" });
    },
  ),
  ...perFamily("a neighbour is added, replaced, listed and deleted", (route, { gateway }) => {
    const { index } = wire(route);
    const key = { linkIndex: index, address: gateway };
    route.neighbours.add({ ...key, mac: "02:00:00:00:00:05" });
    refuses("AlreadyExists", () => route.neighbours.add({ ...key, mac: "02:00:00:00:00:06" }));
    route.neighbours.replace({ ...key, mac: "02:00:00:00:00:07", state: "reachable" });
    const [found] = route.neighbours.list({ linkIndex: index }).filter(({ address }) => address === gateway);
    assert.deepEqual([found?.mac, found?.state], ["02:00:00:00:00:07", "reachable"]);
    route.neighbours.delete(key);
  }),
  ...perFamily("a proxy entry is listed apart from the others", (route, { gateway }) => {
    const { index } = wire(route);
    route.neighbours.add({ linkIndex: index, address: gateway, proxy: true });
    assert.deepEqual(
      route.neighbours.list({ proxy: true }).map(({ address }) => address),
      [gateway],
    );
    assert.deepEqual(
      route.neighbours.list({ linkIndex: index }).filter(({ address }) => address === gateway),
      [],
    );
    route.neighbours.delete({ linkIndex: index, address: gateway, proxy: true });
    assert.deepEqual(route.neighbours.list({ proxy: true }), []);
    refuses("NotFound", () => route.neighbours.delete({ linkIndex: index, address: gateway, proxy: true }));
  }),
  {
    name: "a rule is added once and deleted once",
    run(route) {
      for (const family of [4, 6] as const) {
        const rule = { family, priority: 100, table: 1000, mark: 1, mask: 0xff };
        route.rules.add(rule);
        refuses("AlreadyExists", () => route.rules.add(rule));
        const [found] = route.rules.list({ family }).filter(({ priority }) => priority === 100);
        assert.deepEqual([found?.table, found?.mark, found?.mask, found?.action], [1000, 1, 0xff, "table"]);
        route.rules.delete(rule);
        refuses("NotFound", () => route.rules.delete(rule));
      }
    },
  },
  {
    name: "a subscriber is told to resync first, then of each change, and nothing after it closed",
    async run(route) {
      const events: RouteEvent[] = [];
      const subscription = route.subscribe(["link", "route"], (event) => events.push(event));
      await until(() => events.length === 1);
      assert.equal(events[0]?.type, "resync");
      const { index } = wire(route);
      route.routes.add({ destination: "10.9.0.1/32", linkIndex: index, metric: 5, protocol: 80 });
      route.routes.delete({ destination: "10.9.0.1/32", metric: 5 });
      const ours = () =>
        events.flatMap((event) =>
          event.type === "route" && event.route.protocol === 80 ? [event.change] : [],
        );
      await until(() => ours().length === 2);
      assert.deepEqual(ours(), ["new", "delete"]);
      assert.ok(events.some((event) => event.type === "link" && event.link.name === "cali0"));
      const count = events.length;
      subscription.close();
      subscription.close();
      route.links.delete(index);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(events.length, count);
    },
  },
  {
    name: "a subscription ends with its signal",
    async run(route) {
      const events: RouteEvent[] = [];
      const controller = new AbortController();
      route.subscribe(["link"], (event) => events.push(event), { signal: controller.signal });
      await until(() => events.length > 0);
      controller.abort();
      wire(route);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(events.length, 1);
      assert.throws(() => route.subscribe(["link"], () => {}, { signal: controller.signal }), {
        name: "AbortError",
      });
    },
  },
];
