/** What every `RouteSocket` does with routes. */
import assert from "node:assert/strict";
import type { RouteSpec } from "./route.ts";
import { families, metrics, perFamily, type RouteSocketCase, refuses, wire } from "./route-socket.fixture.ts";

export const routeCases: readonly RouteSocketCase[] = [
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
];
