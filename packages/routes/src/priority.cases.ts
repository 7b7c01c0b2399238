/** How workload routes change priority, alone and beside the routes of BIRD and of other threads. */
import assert from "node:assert/strict";
import type { RouteEvent } from "@fairlead/netlink";
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

export const priorityCases: readonly WorkloadRoutesCase[] = [
  {
    name: "a state is its metric in both families",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      for (const [state, expected] of [
        ["normal", both(1024, index)],
        ["withdrawn", []],
        ["elevated", both(512, index)],
        ["normal", both(1024, index)],
      ] as const) {
        assert.equal(routes.set("vm", vm(state)).settled, true);
        assert.deepEqual(table(route), expected);
      }
      assert.equal(routes.remove("vm").settled, true);
      assert.deepEqual(table(route), []);
      assert.equal(routes.get("vm"), undefined);
    },
  },
  {
    name: "a higher rank is a lower metric in both families, and takes the place of any other of the workload's routes",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("withdrawn"));
      for (const [state, rank, metric] of [
        ["elevated", 1, 511],
        ["elevated", 31, 481],
        ["elevated", 2, 510],
        ["elevated", 0, 512],
        ["elevated", 7, 505],
        ["normal", 0, 1024],
      ] as const) {
        assert.equal(routes.setState("vm", state, rank)?.settled, true);
        assert.deepEqual(table(route), both(metric, index));
      }
      routes.setState("vm", "elevated", 3);
      assert.deepEqual(
        routes.installed().map((one) => [one.state, one.rank]),
        [
          ["elevated", 3],
          ["elevated", 3],
        ],
      );
      assert.equal(routes.reconcile().deleted, 0);
      assert.equal(routes.remove("vm").settled, true);
      assert.deepEqual(table(route), []);
    },
  },
  {
    name: "a rank deeper than the band is the band's last, also where the elevated metric leaves little room",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({
        route,
        priorities: { ipv4: { normal: 1024, elevated: 3 }, ipv6: { normal: 1024, elevated: 512 } },
      });
      routes.set("vm", vm("elevated", { rank: 99 }));
      assert.deepEqual(table(route), [both(1, index)[0], both(481, index)[1]]);
    },
  },
  {
    name: "a plan of a rank is done by another, and a restart takes the rank over without a change",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("withdrawn"));
      route.routes.batch(routes.planState("vm", "elevated", 4)?.changes ?? []);
      assert.equal(routes.setState("vm", "elevated", 4)?.settled, true);
      assert.deepEqual(table(route), both(508, index));
      const restarted = createWorkloadRoutes({ route });
      const [{ state = "withdrawn", rank = 0 } = {}] = restarted.installed();
      restarted.set("vm", vm(state, { rank }));
      const { added, deleted } = restarted.reconcile();
      assert.deepEqual([added, deleted, table(route)], [0, 0, both(508, index)]);
    },
  },
  {
    name: "what is left of another rank goes when everything is compared",
    run(route) {
      const index = wire(route);
      const earlier = createWorkloadRoutes({ route });
      earlier.set("vm", vm("elevated", { rank: 4 }));
      const restarted = createWorkloadRoutes({ route });
      restarted.set("vm", vm("elevated", { rank: 5 }));
      assert.equal(restarted.reconcile().deleted, 2);
      assert.deepEqual(table(route), both(507, index));
    },
  },
  {
    name: "setState is the same as set, and undefined for a stranger",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("withdrawn"));
      assert.equal(routes.setState("vm", "elevated")?.settled, true);
      assert.deepEqual(table(route), both(512, index));
      assert.equal(routes.setState("nobody", "elevated"), undefined);
    },
  },
  {
    name: "a plan touches nothing; done by another, setState finds it done",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("withdrawn", { mac: "02:00:00:00:00:01" }));
      const plan = routes.planState("vm", "elevated");
      assert.deepEqual([table(route), routes.get("vm")?.state], [[], "withdrawn"]);
      assert.deepEqual(
        plan?.neighbours.map(({ address, linkIndex }) => [address, linkIndex]),
        [
          ["10.0.0.5", index],
          ["fd00::5", index],
        ],
      );
      route.routes.batch(plan?.changes ?? []);
      assert.deepEqual(table(route), both(512, index));
      assert.equal(routes.setState("vm", "elevated")?.settled, true);
      assert.deepEqual(table(route), both(512, index));
    },
  },
  {
    name: "a plan knows the interface that bears the name now, and is undefined without key or interface",
    run(route) {
      const routes = createWorkloadRoutes({ route });
      wire(route);
      routes.set("vm", vm("withdrawn"));
      route.links.delete("cali0");
      assert.equal(routes.planState("vm", "elevated"), undefined);
      const index = wire(route);
      route.routes.batch(routes.planState("vm", "elevated")?.changes ?? []);
      assert.deepEqual(table(route), both(512, index));
      assert.equal(routes.planState("stranger", "normal"), undefined);
    },
  },
  {
    name: "what another thread did and the caller says before comparing is not taken away",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("withdrawn"));
      const plan = routes.planState("vm", "elevated");
      route.routes.batch(plan?.changes ?? []);
      const { deleted } = routes.reconcile(() => routes.setState("vm", "elevated"));
      assert.deepEqual([deleted, table(route)], [0, both(512, index)]);
      routes.setState("vm", "withdrawn");
      route.routes.batch(plan?.changes ?? []);
      assert.equal(routes.reconcile().deleted, 2);
    },
  },
  {
    name: "a change of priority never leaves a gap: the new route comes before the old one goes",
    async run(route) {
      wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("normal"));
      const seen: RouteEvent[] = [];
      using _ = route.subscribe(["route"], (event) => seen.push(event));
      await until(() => seen.length > 0);
      routes.setState("vm", "elevated");
      const changes = (destination: string) =>
        seen.flatMap((event) =>
          event.type === "route" && event.route.destination === destination && event.route.table === 254
            ? [`${event.change} ${event.route.metric}`]
            : [],
        );
      await until(() => changes(v4).length === 2 && changes(v6).length === 2);
      assert.deepEqual(
        [changes(v4), changes(v6)],
        [
          ["new 512", "delete 1024"],
          ["new 512", "delete 1024"],
        ],
      );
    },
  },
  {
    name: "a route of BIRD with the same metric, as after a quick way there and back, is neither touched nor in the way",
    run(route) {
      const bird = uplink(route);
      bird(512);
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      assert.equal(routes.set("vm", vm("elevated")).settled, true);
      for (const address of ["10.0.0.5", "fd00::5"])
        assert.equal(route.routes.lookup(address).linkIndex, index);
      routes.reconcile();
      assert.equal(table(route).length, 4);
      routes.setState("vm", "withdrawn");
      assert.deepEqual(
        route.routes.list({ protocol: 12 }).map(({ metric }) => metric),
        [512, 512],
      );
      assert.equal(table(route).length, 2);
    },
  },
  {
    name: "source host: BIRD's better route stays, ours is removed alone, BIRD's later change stays",
    run(route) {
      const bird = uplink(route);
      const index = wire(route);
      const routes = createWorkloadRoutes({
        route,
        priorities: { ipv4: { normal: 200, elevated: 100 }, ipv6: { normal: 200, elevated: 100 } },
      });
      routes.set("vm", vm("normal"));
      bird(100);
      routes.reconcile();
      assert.equal(table(route).length, 4);
      assert.notEqual(route.routes.lookup("10.0.0.5").linkIndex, index);
      routes.remove("vm");
      bird(200);
      for (const { destination } of route.routes
        .list({ protocol: 12 })
        .filter(({ metric }) => metric === 100)) {
        route.routes.delete({ destination, metric: 100, protocol: 12 });
      }
      routes.reconcile();
      assert.deepEqual(
        route.routes.list({ protocol: 12 }).map(({ metric }) => metric),
        [200, 200],
      );
    },
  },
  {
    name: "destination host: ours goes beside BIRD's, and back to normal when BIRD's is gone",
    run(route) {
      const bird = uplink(route);
      bird(200);
      const index = wire(route);
      const routes = createWorkloadRoutes({
        route,
        priorities: { ipv4: { normal: 200, elevated: 100 }, ipv6: { normal: 200, elevated: 100 } },
      });
      routes.set("vm", vm("elevated"));
      routes.reconcile();
      assert.equal(table(route).length, 4);
      for (const { destination } of route.routes.list({ protocol: 12 }))
        route.routes.delete({ destination, protocol: 12 });
      routes.setState("vm", "normal");
      assert.deepEqual(table(route), both(200, index));
    },
  },
];
