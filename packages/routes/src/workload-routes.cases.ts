/** What workload routes do over any kernel, the real one and the fake. Each case begins with a fresh namespace. */
import assert from "node:assert/strict";
import type { RouteEvent, RouteSocket } from "@fairlead/netlink";
import type { RouteState, Workload } from "./workload.ts";
import { createWorkloadRoutes } from "./workload-routes.ts";

export interface WorkloadRoutesCase {
  readonly name: string;
  run(route: RouteSocket): void | Promise<void>;
}

const v4 = "10.0.0.5/32";
const v6 = "fd00::5/128";

const vm = (state: RouteState, more: Partial<Workload> = {}): Workload => ({
  interfaceName: "cali0",
  addresses: ["10.0.0.5", "fd00::5"],
  state,
  ...more,
});

function wire(route: RouteSocket, name = "cali0"): number {
  return route.links.add({ kind: "veth", name, up: true, peer: { name: `${name}p`, up: true } }).index;
}

/** `destination metric protocol` of each route to the VM, sorted. */
const table = (route: RouteSocket): string[] =>
  [v4, v6].flatMap((destination) =>
    route.routes
      .list({ destination, table: 254 })
      .map(({ metric, protocol, linkIndex }) => `${destination} ${metric} ${protocol} ${linkIndex}`),
  );

const both = (metric: number, linkIndex: number, protocol = 80): string[] =>
  [v4, v6].map((destination) => `${destination} ${metric} ${protocol} ${linkIndex}`);

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it happened within 5 s");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** An uplink on which BIRD installs its routes. */
function uplink(route: RouteSocket): (metric: number) => void {
  const index = wire(route, "eth0");
  route.addresses.add({ linkIndex: index, address: "192.0.2.1/24" });
  route.addresses.add({ linkIndex: index, address: "2001:db8::1/64", noDad: true });
  return (metric) => {
    route.routes.add({ destination: v4, gateway: "192.0.2.2", metric, protocol: 12 });
    route.routes.add({ destination: v6, gateway: "2001:db8::2", metric, protocol: 12 });
  };
}

export const workloadRoutesCases: readonly WorkloadRoutesCase[] = [
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
    name: "the guest's MAC is known to the kernel before its first packet",
    run(route) {
      const index = wire(route);
      const routes = createWorkloadRoutes({ route });
      routes.set("vm", vm("elevated", { mac: "02:00:00:00:00:01" }));
      const seeded = route.neighbours
        .list({ linkIndex: index })
        .filter(({ mac }) => mac === "02:00:00:00:00:01");
      assert.deepEqual(
        seeded.map(({ address, state }) => [address, state]),
        [
          ["10.0.0.5", "reachable"],
          ["fd00::5", "reachable"],
        ],
      );
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
