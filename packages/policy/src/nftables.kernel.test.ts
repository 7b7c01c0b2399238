import { NetworkNamespace } from "@fairlead/netlink";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { describeDataplane } from "./dataplane.compliance.ts";
import type { Dataplane } from "./dataplane.ts";
import { createNftablesDataplane } from "./nftables.ts";

let netns: NetworkNamespace;
const opened: Dataplane[] = [];

beforeEach(() => {
  netns = NetworkNamespace.create();
});

afterEach(() => {
  for (const dataplane of opened.splice(0)) dataplane.close();
  netns.close();
});

function open(options: { exclusive?: boolean } = {}): Dataplane {
  const dataplane = createNftablesDataplane({ netns, ...options });
  opened.push(dataplane);
  return dataplane;
}

describe("the kernel's tables, locked", () => describeDataplane(() => open()));
describe("the kernel's tables, shared", () => describeDataplane(() => open({ exclusive: false })));

test("two agents do not write the same tables", async () => {
  const { sampleRuleset } = await import("./dataplane.compliance.ts");
  open().reconcile(sampleRuleset());
  expect(() => open().reconcile(sampleRuleset())).toThrow(expect.objectContaining({ code: "Busy" }));
});

test("a base chain moves to another priority, a set gets another key", async () => {
  const { sampleRuleset } = await import("./dataplane.compliance.ts");
  const dataplane = open();
  dataplane.reconcile(sampleRuleset());
  const changed = sampleRuleset();
  const hook = changed.main.chains.get("hook");
  if (hook?.base === undefined) throw new Error("the sample has a base chain");
  changed.main.chains.set("hook", { ...hook, base: { ...hook.base, priority: 9 } });
  expect(dataplane.reconcile(changed).messages).toBeGreaterThan(2);
  changed.main.sets.set("hosts", { name: "hosts", key: ["ip daddr", "l4proto"] });
  changed.main.elements.set("hosts", new Map());
  changed.main.chains.delete("two");
  changed.main.chains.set("hook", { ...hook, rules: [] });
  expect(dataplane.reconcile(changed).messages).toBeGreaterThan(2);
  // A second look finds nothing to do but the table itself.
  expect(dataplane.reconcile(changed).messages).toBe(2);
});
