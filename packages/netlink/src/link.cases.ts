/** What every `RouteSocket` does with links. */
import assert from "node:assert/strict";
import { type RouteSocketCase, refuses, wire } from "./route-socket.fixture.ts";

export const linkCases: readonly RouteSocketCase[] = [
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
    name: "nothing has gone through a new link, and of one that is not there nothing is known",
    run(route) {
      const { index } = route.links.add({ kind: "tap", name: "tap0" });
      assert.deepEqual(route.links.statistics(index), { received: 0, sent: 0, unsent: 0 });
      refuses("NoDevice", () => route.links.statistics(4711));
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
];
