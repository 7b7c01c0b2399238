/** How workload routes follow interfaces, restarts, other writers and changed workloads. */
import assert from "node:assert/strict";
import { createWorkloadRoutes } from "./create-workload-routes.ts";
import {
  both,
  table,
  until,
  uplink,
  v4,
  v6,
  vm,
  type WorkloadRoutesCase,
  wire,
} from "./workload-routes.fixture.ts";

const guestMac = "02:00:00:00:00:01";

export const reconciliationCases: readonly WorkloadRoutesCase[] = [
  {
    name: "routes follow an interface that comes later, and one whose name comes back with another index",
    run(route) {
      const routes = createWorkloadRoutes({ route });
      assert.deepEqual(routes.set("vm", vm("normal")), { settled: false, waiting: true, errors: [] });
      assert.deepEqual(routes.reconcile().waiting, ["cali0"]);
      const first = wire(route);
      assert.deepEqual([routes.reconcile().added, table(route)], [2, both(1024, first)]);
      route.links.delete(first);
      const second = wire(route);
      assert.notEqual(first, second);
      assert.equal(routes.setState("vm", "elevated")?.settled, true);
      assert.deepEqual(table(route), both(512, second));
    },
  },
  {
    name: "an interface that is down makes the workload wait, up again it gets its routes",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      route.links.set(index, { up: false });
      assert.equal(routes.set("vm", vm("normal")).waiting, true);
      route.links.set(index, { up: true });
      assert.equal(routes.reconcile().added, 2);
      assert.deepEqual(table(route), both(1024, index));
    },
  },
  {
    name: "a restart takes over what it finds without touching it",
    run(route) {
      const index = wire(route);
      createWorkloadRoutes({ route }).set("vm", vm("elevated"));
      const restarted = createWorkloadRoutes({ route });
      assert.deepEqual(restarted.installed(), [
        { destination: v4, interfaceName: "cali0", metric: 512, state: "elevated" },
        { destination: v6, interfaceName: "cali0", metric: 512, state: "elevated" },
      ]);
      assert.equal(restarted.set("vm", vm("elevated")).settled, true);
      const { added, deleted } = restarted.reconcile();
      assert.deepEqual([added, deleted, table(route)], [0, 0, both(512, index)]);
    },
  },
  {
    name: "a restart removes what no workload wants any more, also with a priority of an earlier configuration",
    run(route) {
      const index = wire(route);
      wire(route, "cali1");
      const old = createWorkloadRoutes({
        route,
        priorities: { ipv4: { normal: 900, elevated: 90 }, ipv6: { normal: 900, elevated: 90 } },
      });
      old.set("vm", vm("normal"));
      old.set("gone", { interfaceName: "cali1", addresses: ["10.0.0.9", "fd00::9"], state: "normal" });
      const restarted = createWorkloadRoutes({ route });
      restarted.set("vm", vm("normal"));
      const { added, deleted } = restarted.reconcile();
      assert.deepEqual([added, deleted], [0, 4]);
      assert.deepEqual(table(route), both(1024, index));
      assert.deepEqual(route.routes.list({ protocol: 80 }).length, 2);
    },
  },
  {
    name: "another CNI's route on our interface is removed, on another interface never",
    run(route) {
      const bird = uplink(route);
      bird(0);
      const index = wire(route);
      for (const destination of [v4, v6])
        route.routes.add({ destination, linkIndex: index, protocol: 3, metric: 7 });
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("withdrawn"));
      assert.equal(routes.reconcile().deleted, 2);
      assert.equal(route.routes.list({ protocol: 12 }).length, 2);
      assert.equal(route.routes.list({ protocol: 3, linkIndex: index }).length, 0);
    },
  },
  {
    name: "another CNI's route stays when asked, and on interfaces of no workload",
    run(route) {
      const index = wire(route);
      const stranger = wire(route, "cali1");
      for (const linkIndex of [index, stranger]) {
        route.routes.add({ destination: "10.7.0.1/32", linkIndex, protocol: 3, metric: linkIndex });
      }
      const routes = createWorkloadRoutes({ route, removeExternalRoutes: false });
      routes.set("vm", vm("normal"));
      assert.equal(routes.reconcile().deleted, 0);
      const strict = createWorkloadRoutes({ route });
      strict.set("vm", vm("normal"));
      assert.equal(strict.reconcile().deleted, 1);
      assert.deepEqual(
        route.routes.list({ protocol: 3 }).map(({ linkIndex }) => linkIndex),
        [stranger],
      );
    },
  },
  {
    name: "of two workloads with one address the one set last has it, and the other gets it back",
    run(route) {
      const one = wire(route);
      const two = wire(route, "cali1");
      const routes = createWorkloadRoutes({ route });
      routes.set("old", vm("normal"));
      routes.set("new", vm("normal", { interfaceName: "cali1" }));
      routes.reconcile();
      assert.deepEqual(table(route), both(1024, two));
      routes.remove("new");
      routes.reconcile();
      assert.deepEqual(table(route), both(1024, one));
    },
  },
  {
    name: "an address that is taken away loses its route, one that is added gets it, a moved interface takes both",
    run(route) {
      wire(route);
      const two = wire(route, "cali1");
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("normal", { addresses: ["10.0.0.5", "10.0.0.6"] }));
      routes.set("vm", vm("normal", { interfaceName: "cali1" }));
      assert.deepEqual(table(route), both(1024, two));
      assert.equal(route.routes.list({ protocol: 80 }).length, 2);
    },
  },
  {
    name: "the withdrawn are told once, a change of priority is no withdrawal",
    run(route) {
      wire(route);
      const withdrawn: (readonly string[])[] = [];
      const routes = createWorkloadRoutes({
        route,
        onWithdrawn: (destinations) => withdrawn.push(destinations),
      });
      routes.set("vm", vm("normal"));
      routes.setState("vm", "elevated");
      assert.deepEqual(withdrawn, []);
      routes.setState("vm", "withdrawn");
      routes.remove("vm");
      routes.reconcile();
      assert.deepEqual(withdrawn, [[v4, v6]]);
    },
  },
  {
    name: "the guest's MAC is known to the kernel before there is a route: no packet waits for a resolution",
    async run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      const order: string[] = [];
      using _ = route.subscribe(["neighbour", "route"], (event) => {
        if (event.type === "neighbour" && event.change === "new" && event.neighbour.mac === guestMac)
          order.push(`${event.neighbour.state} ${event.neighbour.address}`);
        if (event.type === "route" && event.change === "new" && event.route.linkIndex === index)
          order.push(`route ${event.route.destination}`);
      });
      routes.set("vm", vm("elevated", { mac: guestMac }));
      const ours = () => order.filter((line) => /10\.0\.0\.5|fd00::5/.test(line));
      await until(() => ours().length === 4);
      assert.deepEqual(ours(), ["reachable 10.0.0.5", "reachable fd00::5", `route ${v4}`, `route ${v6}`]);
    },
  },
  {
    name: "running, it restores a route that somebody deletes and routes of an interface that was down",
    async run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("normal"));
      using _ = routes.run({ quiet: 1 });
      await until(() => table(route).length === 2);
      route.routes.delete({ destination: v4, metric: 1024 });
      await until(() => table(route).length === 2);
      route.links.set(index, { up: false });
      route.links.set(index, { up: true });
      await until(() => table(route).length === 2);
      assert.deepEqual(table(route), both(1024, index));
    },
  },
];
