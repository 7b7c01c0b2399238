import { createFakeRouteSocket } from "@fairlead/netlink/fake";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createWorkloadRoutes } from "./create-workload-routes.ts";
import { createFakeWorkloadRoutes } from "./fake.ts";
import type { Priorities, RouteState } from "./workload.ts";
import { workloadRoutesCases } from "./workload-routes.cases.ts";

test.each(workloadRoutesCases)("fake: $name", async ({ run }) => {
  using route = createFakeRouteSocket();
  await run(route);
});

test.each<[string, Priorities]>([
  ["zero", { normal: 1024, elevated: 0 }],
  ["fraction", { normal: 1024, elevated: 1.5 }],
  ["too large for BIRD", { normal: 2147483647, elevated: 512 }],
  ["equal", { normal: 512, elevated: 512 }],
  ["inverted", { normal: 512, elevated: 1024 }],
])("priorities that are %s are refused, of either family", (_, priorities) => {
  const route = createFakeRouteSocket();
  for (const family of ["ipv4", "ipv6"]) {
    expect(() => createWorkloadRoutes({ route, priorities: { [family]: priorities } })).toThrow(
      expect.objectContaining({ code: "InvalidPriority" }),
    );
  }
});

test("the ends of the range are allowed", () => {
  const route = createFakeRouteSocket();
  createWorkloadRoutes({ route, priorities: { ipv4: { normal: 2147483646, elevated: 1 } } });
});

test.each(["10.0.0.0/24", "nonsense", "10.0.0.5/33", "fd00::/64", ""])(
  "an address %s is refused",
  (address) => {
    const routes = createFakeWorkloadRoutes();
    expect(() => routes.set("vm", { interfaceName: "cali0", addresses: [address], state: "normal" })).toThrow(
      expect.objectContaining({ code: "InvalidWorkload" }),
    );
    expect(routes.get("vm")).toBeUndefined();
  },
);

test("what the kernel refuses is in the outcome, with its cause", () => {
  const routes = createFakeWorkloadRoutes();
  routes.addInterface("cali0");
  const refusing = createWorkloadRoutes({
    route: {
      ...routes.kernel,
      routes: Object.assign(Object.create(routes.kernel.routes), {
        batch: (changes: readonly unknown[]) =>
          changes.map(() => Object.assign(new Error("no"), { code: "Denied", name: "NetlinkError" })),
      }),
    },
  });
  const outcome = refusing.set("vm", { interfaceName: "cali0", addresses: ["10.0.0.5"], state: "normal" });
  expect(outcome.settled).toBe(false);
  expect(outcome.errors[0]).toMatchObject({ code: "KernelRefused", cause: { code: "Denied" } });
});

const names = ["cali0", "cali1", "cali2"];
const addresses = ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"];
const state = fc.constantFrom<RouteState>("withdrawn", "normal", "elevated");
const step = fc.oneof(
  fc.record({
    do: fc.constant("set" as const),
    key: fc.constantFrom("a", "b", "c"),
    interfaceName: fc.constantFrom(...names),
    addresses: fc.uniqueArray(fc.constantFrom(...addresses), { maxLength: 4 }),
    state,
  }),
  fc.record({ do: fc.constant("state" as const), key: fc.constantFrom("a", "b", "c"), state }),
  fc.record({ do: fc.constant("remove" as const), key: fc.constantFrom("a", "b", "c") }),
  fc.record({ do: fc.constant("link" as const), name: fc.constantFrom(...names), up: fc.boolean() }),
  fc.record({ do: fc.constant("recreate" as const), name: fc.constantFrom(...names) }),
  fc.record({ do: fc.constant("lose" as const), destination: fc.constantFrom("10.0.0.1/32", "fd00::1/128") }),
  fc.record({ do: fc.constant("restart" as const) }),
);

test("whatever happens, after a reconciliation the kernel holds exactly what is wanted, and a second one finds nothing to do", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const kernel = createFakeRouteSocket();
      const add = (name: string) =>
        kernel.links.add({ kind: "veth", name, up: true, peer: { name: `p${name}`, up: true } });
      for (const name of names) add(name);
      let routes = createWorkloadRoutes({ route: kernel });
      const wanted = new Map<
        string,
        { interfaceName: string; addresses: readonly string[]; state: RouteState }
      >();
      for (const one of steps) {
        if (one.do === "set") {
          const { interfaceName, addresses, state } = one;
          wanted.delete(one.key);
          wanted.set(one.key, { interfaceName, addresses, state });
          routes.set(one.key, { interfaceName, addresses, state });
        } else if (one.do === "state") {
          const known = wanted.get(one.key);
          if (known !== undefined) {
            wanted.delete(one.key);
            wanted.set(one.key, { ...known, state: one.state });
          }
          routes.setState(one.key, one.state);
        } else if (one.do === "remove") {
          wanted.delete(one.key);
          routes.remove(one.key);
        } else if (one.do === "link") kernel.links.set(one.name, { up: one.up });
        else if (one.do === "recreate") {
          kernel.links.delete(one.name);
          add(one.name);
        } else if (one.do === "lose") {
          kernel.routes.batch([{ op: "delete", route: { destination: one.destination } }]);
        } else {
          routes = createWorkloadRoutes({ route: kernel });
          for (const [key, workload] of wanted) routes.set(key, workload);
        }
      }
      routes.reconcile();
      const expected = new Map<string, string>();
      for (const { interfaceName, addresses, state } of wanted.values()) {
        if (state === "withdrawn" || kernel.links.get(interfaceName)?.up !== true) continue;
        for (const address of addresses) {
          const destination = `${address}/${address.includes(":") ? 128 : 32}`;
          expected.set(`${destination} ${state}`, interfaceName);
        }
      }
      const found = routes
        .installed()
        .map((route) => [`${route.destination} ${route.state}`, route.interfaceName]);
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
      expect(found).toHaveLength(expected.size);
      expect(routes.reconcile()).toMatchObject({ added: 0, deleted: 0 });
    }),
    { numRuns: 300 },
  );
});

test("running ends with its signal", () => {
  const routes = createFakeWorkloadRoutes();
  const controller = new AbortController();
  routes.run({ signal: controller.signal });
  controller.abort();
  expect(() => routes.run({ signal: controller.signal })).toThrow();
});
