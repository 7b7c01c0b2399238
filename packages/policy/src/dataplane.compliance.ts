import { expect, test } from "vitest";
import type { Dataplane } from "./dataplane.ts";
import { type Element, emptyRuleset, type Ruleset, type TableChange } from "./ruleset/ruleset.ts";
import { accept, dispatch, drop, goto, inSet, when } from "./ruleset/statement.ts";
import { address, interfaceName, u8 } from "./ruleset/value.ts";

/** Small rulesets with a bit of everything. */
export function sampleRuleset(): Ruleset {
  const ruleset = emptyRuleset();
  const { chains, sets, elements } = ruleset.main;
  chains.set("one", { name: "one", comment: "sample", rules: [[when("l4proto", u8(6)), accept], [drop]] });
  chains.set("two", {
    name: "two",
    rules: [[inSet(["ip saddr"], "hosts"), accept], [dispatch("iifname", "links")], [goto("one")]],
  });
  chains.set("hook", {
    name: "hook",
    base: { type: "filter", hook: "forward", priority: 7, policy: "accept" },
    rules: [[goto("two")]],
  });
  sets.set("hosts", { name: "hosts", key: ["ip saddr"] });
  sets.set("links", { name: "links", key: ["iifname"], verdicts: true });
  elements.set("hosts", byKey({ key: address("10.0.0.1") }));
  elements.set("links", byKey({ key: interfaceName("cali1"), verdict: { verdict: "goto", chain: "one" } }));
  return ruleset;
}

const byKey = (...list: Element[]) => new Map(list.map((element) => [element.key, element]));

const nothing: TableChange = {
  chains: [],
  removedChains: [],
  sets: [],
  removedSets: [],
  addedElements: new Map(),
  removedElements: new Map(),
};

/** What every dataplane promises. `open` gives another connection to the same state each time within a test. */
export function describeDataplane(open: () => Dataplane): void {
  const change = (part: Partial<TableChange>) => ({ main: { ...nothing, ...part } });

  test("is disturbed until the first comparison", () => {
    const dataplane = open();
    expect(dataplane.disturbed()).toBe(true);
    dataplane.reconcile(sampleRuleset());
    expect(dataplane.disturbed()).toBe(false);
  });

  test("refuses a difference before it has compared", () => {
    expect(() => open().apply(change({}))).toThrow(expect.objectContaining({ code: "Busy" }));
  });

  test("applies a difference", () => {
    const dataplane = open();
    dataplane.reconcile(sampleRuleset());
    dataplane.apply(change({ addedElements: new Map([["hosts", [{ key: address("10.0.0.2") }]]]) }));
    dataplane.apply(change({ removedElements: new Map([["hosts", [{ key: address("10.0.0.2") }]]]) }));
    dataplane.apply(change({ chains: [{ name: "one", rules: [[drop]] }] }));
    expect(dataplane.disturbed()).toBe(false);
  });

  test("moves a map's entry to another chain in one transaction", () => {
    const dataplane = open();
    dataplane.reconcile(sampleRuleset());
    const key = interfaceName("cali1");
    const entry = (chain: string): [string, Element[]] => [
      "links",
      [{ key, verdict: { verdict: "goto", chain } }],
    ];
    dataplane.apply(
      change({
        chains: [{ name: "three", rules: [[drop]] }],
        removedElements: new Map([entry("one")]),
        addedElements: new Map([entry("three")]),
      }),
    );
    expect(dataplane.disturbed()).toBe(false);
  });

  test.each([
    ["a rule that leads nowhere", change({ chains: [{ name: "new", rules: [[goto("missing")]] }] })],
    [
      "a rule that looks into a missing set",
      change({ chains: [{ name: "new", rules: [[inSet(["ip saddr"], "missing"), drop]] }] }),
    ],
    [
      "an element for a missing set",
      change({ addedElements: new Map([["missing", [{ key: address("10.0.0.9") }]]]) }),
    ],
    ["removing a chain that is in use", change({ removedChains: ["one"] })],
  ])("%s is refused, and nothing of the transaction stays", (_name, wrong) => {
    const dataplane = open();
    dataplane.reconcile(sampleRuleset());
    const alongside = { ...wrong.main, sets: [{ name: "alongside", key: ["ip saddr"] as const }] };
    expect(() => dataplane.apply({ main: alongside })).toThrow(
      expect.objectContaining({ code: "KernelRefused" }),
    );
    // Had the set stayed, an element could go into it.
    const probe = change({ addedElements: new Map([["alongside", [{ key: address("10.0.0.9") }]]]) });
    expect(() => dataplane.apply(probe)).toThrow(expect.objectContaining({ code: "KernelRefused" }));
  });

  test("an unknown chain stays when asked to, and goes otherwise", () => {
    const dataplane = open();
    const more = sampleRuleset();
    more.main.chains.set("old", { name: "old", rules: [[drop]] });
    dataplane.reconcile(more);
    dataplane.reconcile(sampleRuleset(), { keepUnknown: true });
    dataplane.apply(change({ chains: [{ name: "user", rules: [[goto("old")]] }] }));
    dataplane.reconcile(sampleRuleset());
    expect(() => dataplane.apply(change({ chains: [{ name: "user", rules: [[goto("old")]] }] }))).toThrow(
      expect.objectContaining({ code: "KernelRefused" }),
    );
  });

  test("of an interface that is kept everything stays that is in force for it, and nothing of another", () => {
    const dataplane = open();
    const names = ["cali7", "cali8"] as const;
    const more = sampleRuleset();
    for (const name of names) {
      more.main.chains.set(`of-${name}`, { name: `of-${name}`, rules: [[drop]] });
      const key = interfaceName(name);
      more.main.elements.get("links")?.set(key, { key, verdict: { verdict: "goto", chain: `of-${name}` } });
    }
    dataplane.reconcile(more);
    dataplane.reconcile(sampleRuleset(), { keepUnknown: ["cali7"] });
    const removal = (name: string) =>
      change({ removedElements: new Map([["links", [{ key: interfaceName(name) }]]]) });
    expect(() => dataplane.apply(removal("cali8"))).toThrow(
      expect.objectContaining({ code: "KernelRefused" }),
    );
    dataplane.apply(removal("cali7"));
  });
}
