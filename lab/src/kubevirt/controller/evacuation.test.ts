import { expect, it } from "vitest";
import { annotations } from "../names.ts";
import { at, migrationFixture, runningVmi } from "../vmi-fixture.ts";
import { decideEvacuation } from "./evacuation.ts";

const marked = runningVmi("node-a", { evacuationNodeName: "node-a" });
const nowMs = Date.parse(at);
const failed = (n: number) => {
  const migration = migrationFixture("Failed", {
    name: `kubevirt-evacuation-${n}`,
    finalizers: [],
    annotations: { [annotations.evacuation]: "node-a" },
  });
  const phaseTransitionTimestamps = [{ phase: "Failed", phaseTransitionTimestamp: at }];
  return { ...migration, status: { ...migration.status, phaseTransitionTimestamps } };
};

it("a VMI that is to leave its node gets a migration that says why", () => {
  expect(decideEvacuation({ vmi: marked, all: [], nowMs }).writes).toEqual([
    {
      do: "createMigration",
      migration: {
        metadata: {
          generateName: "kubevirt-evacuation-",
          namespace: "default",
          annotations: { "kubevirt.io/evacuationMigration": "node-a" },
        },
        spec: { vmiName: "vm" },
      },
    },
  ]);
});

it.each([
  ["one nobody asks to leave", runningVmi("node-a"), []],
  ["one that has left", runningVmi("node-b", { evacuationNodeName: "node-a" }), []],
  [
    "one that does not run yet",
    runningVmi("node-a", { evacuationNodeName: "node-a", phase: "Scheduled" }),
    [],
  ],
  ["one that migrates already, for whatever reason", marked, [migrationFixture("Running")]],
  ["one whose migration has ended but was not put away", marked, [migrationFixture("Failed")]],
])("%s gets none", (_what, vmi, all) => {
  expect(decideEvacuation({ vmi, all, nowMs })).toEqual({ writes: [] });
});

it("after failures it waits 20 s, doubled each time", () => {
  const decide = (failures: number, laterMs: number) =>
    decideEvacuation({
      vmi: marked,
      all: Array.from({ length: failures }, (_, n) => failed(n)),
      nowMs: nowMs + laterMs,
    });
  expect(decide(1, 5_000)).toEqual({ writes: [], again: 15_000 });
  expect(decide(1, 20_000).writes).toHaveLength(1);
  expect(decide(3, 20_000)).toEqual({ writes: [], again: 60_000 });
  expect(decide(3, 80_000).writes).toHaveLength(1);
});
