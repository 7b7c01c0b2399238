import { compileSelector, parseSelector } from "@fairlead/api";
import fc from "fast-check";
import { expect, test } from "vitest";
import { namedPort, selected } from "../model/member-set.ts";
import type { MemberSet } from "../model/policy.ts";
import { address } from "../ruleset/value.ts";
import { MemberSets, type MemberSource, portKey } from "./member-sets.ts";

const selectors = [
  "all()",
  "a == 'x'",
  "a in {'x', 'y'} && has(b)",
  "a == 'x' || b == 'y'",
  "a != 'x'",
  "!has(a)",
  "a starts with 'x' && !(b == 'y')",
  "a == 'x' || !has(b)",
];

const source: fc.Arbitrary<MemberSource> = fc
  .record({
    id: fc.constantFrom("1", "2", "3", "4"),
    labels: fc.record(
      { a: fc.constantFrom("x", "y", "z"), b: fc.constantFrom("x", "y") },
      { requiredKeys: [] },
    ),
    addresses: fc.subarray(["10.0.0.1", "10.0.0.2", "fd00::1"]),
    nets: fc.subarray(["10.1.0.0/16", "fd01::/64"]),
    ports: fc.subarray([
      { name: "web", protocol: "tcp" as const, port: 80 },
      { name: "dns", protocol: "udp" as const, port: 53 },
    ]),
  })
  .map((each) => ({ ...each, labels: { ...each.labels } as Record<string, string> }));

const set: fc.Arbitrary<MemberSet> = fc
  .tuple(fc.constantFrom(...selectors), fc.option(fc.constantFrom("web", "dns"), { nil: undefined }))
  .map(([text, name]) =>
    name === undefined ? selected(parseSelector(text)) : namedPort(parseSelector(text), name),
  );

const step = fc.oneof(
  source.map((each) => ({ do: "upsert" as const, source: each })),
  fc.constantFrom("1", "2", "3", "4").map((id) => ({ do: "remove" as const, id })),
  set.map((each) => ({ do: "acquire" as const, set: each })),
  set.map((each) => ({ do: "release" as const, set: each })),
  fc.constant({ do: "look" as const }),
);

test("after any changes each set holds what its selector selects, and the reported changes lead there", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const sets = new MemberSets();
      const sources = new Map<string, MemberSource>();
      const wanted = new Map<string, { set: MemberSet; count: number }>();
      const followed = new Map<string, Set<string>>();
      const look = () => {
        for (const dropped of sets.takeDropped()) followed.delete(dropped.key);
        for (const { set: changed, fresh, pending } of sets.takeChanges()) {
          const members = fresh ? new Set<string>() : (followed.get(changed.key) ?? new Set());
          for (const kind of ["addresses", "ports", "nets"] as const) {
            for (const [member, came] of pending[kind]) {
              if (came) members.add(`${kind} ${member}`);
              else members.delete(`${kind} ${member}`);
            }
          }
          followed.set(changed.key, members);
        }
      };
      for (const each of steps) {
        if (each.do === "look") look();
        if (each.do === "upsert") {
          sources.set(each.source.id, each.source);
          sets.upsert(each.source);
        }
        if (each.do === "remove") {
          sources.delete(each.id);
          sets.remove(each.id);
        }
        if (each.do === "acquire") {
          wanted.set(each.set.key, { set: each.set, count: (wanted.get(each.set.key)?.count ?? 0) + 1 });
          sets.acquire(each.set);
        }
        if (each.do === "release") {
          const entry = wanted.get(each.set.key);
          if (entry === undefined) continue;
          if (entry.count === 1) wanted.delete(each.set.key);
          else wanted.set(each.set.key, { ...entry, count: entry.count - 1 });
          sets.release(each.set);
        }
      }
      look();
      expect([...followed.keys()].sort()).toEqual([...wanted.keys()].sort());
      for (const { set: each } of wanted.values()) {
        expect([...(followed.get(each.key) ?? [])].sort()).toEqual(naive(each, [...sources.values()]));
      }
    }),
    { numRuns: 500 },
  );
});

/** The members of a set, found by asking everybody. */
function naive(each: MemberSet, sources: readonly MemberSource[]): string[] {
  if (each.of === "service") return [];
  const matches = compileSelector(each.selector);
  const chosen = sources.filter(({ labels }) => matches(labels));
  const members = chosen.flatMap(({ addresses, nets = [], ports = [] }) => {
    if (each.of === "addresses")
      return [...addresses.map((one) => `addresses ${address(one)}`), ...nets.map((net) => `nets ${net}`)];
    const named = ports.filter(({ name }) => name === each.name);
    return named.flatMap(({ protocol, port }) =>
      addresses.map((one) => `ports ${portKey(address(one), protocol === "tcp" ? 6 : 17, port)}`),
    );
  });
  return [...new Set(members)].sort();
}
