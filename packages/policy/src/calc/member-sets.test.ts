import { compileSelector, parseSelector } from "@fairlead/api";
import fc from "fast-check";
import { expect, test } from "vitest";
import { namedPort, selected, service } from "../model/member-set.ts";
import type { MemberSet } from "../model/policy.ts";
import { address } from "../ruleset/value.ts";
import { inheritedLabels, isInherited, type Labels } from "./labels.ts";
import { MemberSets } from "./member-sets.ts";
import { Parents } from "./parents.ts";
import { portKey } from "./set-state.ts";
import type { MemberSource } from "./source.ts";

const selectors = [
  "all()",
  "a == 'x'",
  "a in {'x', 'y'} && has(b)",
  "a == 'x' || b == 'y'",
  "a != 'x'",
  "!has(a)",
  "a starts with 'x' && !(b == 'y')",
  "a == 'x' || !has(b)",
  "global()",
  "projectcalico.org/orchestrator == 'k8s' && projectcalico.org/namespace == 'red'",
  "projectcalico.org/orchestrator == 'k8s' && pcns.team == 'one' && a == 'x'",
  "pcns.team != 'one'",
  "pcns.team == 'two' || pcsa.role == 'robot' || b == 'x'",
  "has(pcsa.role) && a in {'x', 'z'}",
];

const key = fc.constantFrom("a", "b", "pcns.team", "pcsa.role", "projectcalico.org/namespace");
const labels = fc
  .dictionary(key, fc.constantFrom("x", "y", "z", "one"), { maxKeys: 3 })
  .map((each) => ({ ...each }));
const namespaces = ["red", "blue"];
const accounts = ["default", "robot"];

const endpoint: fc.Arbitrary<MemberSource> = fc.record(
  {
    id: fc.constantFrom("1", "2", "3", "4"),
    labels,
    addresses: fc.subarray(["10.0.0.1", "10.0.0.2", "fd00::1"].map(address)),
    nets: fc.subarray(["10.1.0.0/16", "fd01::/64"]),
    ports: fc.subarray([
      { name: "web", protocol: "tcp" as const, port: 80 },
      { name: "dns", protocol: "udp" as const, port: 53 },
    ]),
    namespace: fc.constantFrom(...namespaces),
    serviceAccount: fc.constantFrom(...accounts),
    isPod: fc.boolean(),
  },
  { requiredKeys: ["id", "labels", "addresses", "isPod"] },
);

const source = fc.oneof(
  { arbitrary: endpoint, weight: 5 },
  endpoint.map((each) => ({ ...each, service: "red/shop" })),
);

const set: fc.Arbitrary<MemberSet> = fc.oneof(
  { arbitrary: fc.constantFrom(...selectors).map((text) => selected(parseSelector(text))), weight: 4 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom(...selectors), fc.constantFrom("web", "dns"))
      .map(([text, name]) => namedPort(parseSelector(text), name)),
    weight: 2,
  },
  fc.constantFrom(service("red", "shop")),
);

const parentLabels = fc.option(
  fc.record({ team: fc.constantFrom("one", "two"), role: fc.constantFrom("robot") }, { requiredKeys: [] }),
  { nil: undefined },
);

const step = fc.oneof(
  { arbitrary: source.map((each) => ({ do: "upsert" as const, source: each })), weight: 4 },
  fc.constantFrom("1", "2", "3", "4").map((id) => ({ do: "remove" as const, id })),
  { arbitrary: set.map((each) => ({ do: "acquire" as const, set: each })), weight: 4 },
  set.map((each) => ({ do: "release" as const, set: each })),
  {
    arbitrary: fc
      .record({ namespace: fc.constantFrom(...namespaces), labels: parentLabels })
      .map((each) => ({ do: "namespace" as const, ...each })),
    weight: 3,
  },
  {
    arbitrary: fc
      .record({
        namespace: fc.constantFrom(...namespaces),
        account: fc.constantFrom(...accounts),
        labels: parentLabels,
      })
      .map((each) => ({ do: "account" as const, ...each })),
    weight: 2,
  },
  fc.constant({ do: "look" as const }),
);

test("after any changes each set holds what its selector selects, and the reported changes lead there", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const parents = new Parents();
      const sets = new MemberSets(parents);
      const sources = new Map<string, MemberSource>();
      const wanted = new Map<string, { set: MemberSet; count: number }>();
      const followed = new Map<string, Set<string>>();
      const look = () => {
        for (const dropped of sets.takeDropped()) followed.delete(dropped.key);
        for (const { set: changed, fresh, pending } of sets.takeChanges()) {
          const members = fresh ? new Set<string>() : (followed.get(changed.key) ?? new Set());
          for (const kind of ["addresses", "ports", "nets"] as const) {
            if (fresh) for (const member of sets.members(changed.key, kind)) members.add(`${kind} ${member}`);
            for (const [member, came] of pending[kind]) {
              if (came) members.add(`${kind} ${member}`);
              else members.delete(`${kind} ${member}`);
            }
          }
          followed.set(changed.key, members);
        }
      };
      for (const each of steps) {
        switch (each.do) {
          case "look":
            look();
            break;
          case "upsert":
            sources.set(each.source.id, each.source);
            sets.upsert(each.source);
            break;
          case "remove":
            sources.delete(each.id);
            sets.remove(each.id);
            break;
          case "acquire":
            wanted.set(each.set.key, { set: each.set, count: (wanted.get(each.set.key)?.count ?? 0) + 1 });
            sets.acquire(each.set);
            break;
          case "release": {
            const entry = wanted.get(each.set.key);
            if (entry === undefined) break;
            if (entry.count === 1) wanted.delete(each.set.key);
            else wanted.set(each.set.key, { ...entry, count: entry.count - 1 });
            sets.release(each.set);
            break;
          }
          case "namespace":
            parents.setNamespace(each.namespace, each.labels as Labels | undefined);
            sets.inheritAnew(each.namespace);
            break;
          case "account":
            parents.setServiceAccount(each.namespace, each.account, each.labels as Labels | undefined);
            sets.inheritAnew(each.namespace, each.account);
            break;
        }
      }
      look();
      expect([...followed.keys()].sort()).toEqual([...wanted.keys()].sort());
      for (const { set: each } of wanted.values()) {
        expect([...(followed.get(each.key) ?? [])].sort()).toEqual(
          naive(each, [...sources.values()], parents),
        );
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a namespace's new label takes its pods out of the sets that refuse it", () => {
  const parents = new Parents();
  const sets = new MemberSets(parents);
  const others = selected(parseSelector("pcns.team != 'one'"));
  const pod = { id: "pod", labels: {}, addresses: [address("10.0.0.1")], namespace: "red", isPod: true };
  sets.upsert(pod);
  sets.acquire(others);
  expect([...sets.members(others.key, "addresses")]).toEqual(pod.addresses);
  parents.setNamespace("red", { team: "one" });
  sets.inheritAnew("red");
  expect([...sets.members(others.key, "addresses")]).toEqual([]);
});

/** The members of a set, found by asking everybody, with all labels in one object. */
function naive(each: MemberSet, sources: readonly MemberSource[], parents: Parents): string[] {
  const chosen = sources.filter((one) => {
    if (each.of === "service") return one.service === `${each.namespace}/${each.name}`;
    const own = Object.entries(one.labels).filter(([name]) => !isInherited(name));
    const all = { ...Object.fromEntries(own), ...inheritedLabels(one, parents) };
    return one.service === undefined && compileSelector(each.selector)(all);
  });
  const members = chosen.flatMap(({ addresses, nets = [], ports = [] }) => {
    const ofAddresses = each.of === "ports" ? [] : addresses.map((one) => `addresses ${one}`);
    const ofNets = each.of === "addresses" ? nets.map((net) => `nets ${net}`) : [];
    const named =
      each.of === "addresses" ? [] : ports.filter(({ name }) => each.of === "service" || name === each.name);
    const ofPorts = named.flatMap(({ protocol, port }) =>
      addresses.map((one) => `ports ${portKey(one, protocol === "tcp" ? 6 : 17, port)}`),
    );
    return [...ofAddresses, ...ofNets, ...ofPorts];
  });
  return [...new Set(members)].sort();
}
