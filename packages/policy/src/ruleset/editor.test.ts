import fc from "fast-check";
import { expect, test } from "vitest";
import { createFakeDataplane } from "../fake.ts";
import { RulesetEditor } from "./editor.ts";
import type { Element } from "./ruleset.ts";
import { accept, drop } from "./statement.ts";

const name = fc.constantFrom("one", "two");
const element = fc.constantFrom<Element>({ key: "0a000001" }, { key: "0a000002" }, { key: "0a000003" });

const edit = fc.oneof(
  fc.record({ do: fc.constant("putSet" as const), name }),
  fc.record({ do: fc.constant("dropSet" as const), name }),
  fc.record({ do: fc.constant("putElement" as const), name, element }),
  fc.record({ do: fc.constant("dropElement" as const), name, element }),
  fc.record({
    do: fc.constant("putElements" as const),
    name,
    elements: fc.uniqueArray(element, { selector: ({ key }) => key }),
  }),
  fc.record({ do: fc.constant("putChain" as const), name, rule: fc.constantFrom(accept, drop) }),
  fc.record({ do: fc.constant("dropChain" as const), name }),
  fc.constant({ do: "take" as const }),
);

test("one difference after the other leads to the ruleset that was edited", () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
      const editor = new RulesetEditor();
      const dataplane = createFakeDataplane();
      dataplane.reconcile(editor.ruleset);
      const apply = () => {
        const change = editor.take();
        if (change !== undefined) dataplane.apply(change);
      };
      for (const each of edits) {
        if (each.do === "take") {
          apply();
          continue;
        }
        const there = editor.ruleset.main.sets.has(each.name);
        if (each.do === "putSet") editor.putSet("main", { name: each.name, key: ["ip daddr"] });
        if (each.do === "dropSet") editor.dropSet("main", each.name);
        if (each.do === "putElement" && there) editor.putElement("main", each.name, each.element);
        if (each.do === "dropElement" && there) editor.dropElement("main", each.name, each.element);
        if (each.do === "putElements" && there) editor.putElements("main", each.name, each.elements);
        if (each.do === "putChain") editor.putChain("main", { name: each.name, rules: [[each.rule]] });
        if (each.do === "dropChain") editor.dropChain("main", each.name);
      }
      apply();
      expect(dataplane.ruleset.main).toEqual(editor.ruleset.main);
    }),
    { numRuns: 1_000 },
  );
});
