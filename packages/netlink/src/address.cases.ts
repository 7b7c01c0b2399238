/** What every `RouteSocket` does with addresses, neighbours and rules. */
import assert from "node:assert/strict";
import { perFamily, type RouteSocketCase, refuses, wire } from "./route-socket.fixture.ts";

export const addressCases: readonly RouteSocketCase[] = [
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
];
