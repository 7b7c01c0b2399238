import type { MigrationProgress, PodMigration } from "@fairlead/kubevirt";
import { expect, it } from "vitest";
import { inputOf, isLeaving } from "./sighting.ts";

const part = (
  role: "source" | "target",
  progress: MigrationProgress,
  hasSwitchedOver = false,
): PodMigration => ({
  pod: "default/p",
  podUid: "u",
  vmi: "default/vm1",
  vmiUid: "v",
  migrationUid: "m",
  role,
  progress,
  hasSwitchedOver,
  epoch: [1, 0, Date.parse("2026-01-01T00:00:00Z"), "m"],
});

it.each([
  ["target", "preparing", false, "Expected"],
  ["target", "running", false, "Expected"],
  ["target", "running", true, "Switched"],
  ["target", "succeeded", true, "Arrived"],
  ["target", "failed", true, "Elsewhere"],
  ["target", "cancelled", false, "Elsewhere"],
  ["target", "gone", false, "Elsewhere"],
  ["source", "preparing", false, "Leaving"],
  ["source", "running", false, "Leaving"],
  ["source", "running", true, undefined],
  ["source", "succeeded", true, "Elsewhere"],
  ["source", "failed", false, undefined],
  ["source", "cancelled", false, undefined],
  ["source", "gone", false, undefined],
] as const)("a %s whose migration is %s (switched over: %s) means %s", (role, progress, switched, expected) =>
  expect(inputOf(part(role, progress, switched))?.type).toBe(expected),
);

it("an expectation names the migration and when it was created", () =>
  expect(inputOf(part("target", "running"))).toEqual({
    type: "Expected",
    migration: { uid: "m", createdAt: "2026-01-01T00:00:00.000Z" },
  }));

it.each([
  ["source", "preparing", false, true],
  ["source", "running", false, true],
  // What it has not read is sent after it, and it has just left.
  ["source", "running", true, true],
  ["source", "succeeded", true, false],
  ["source", "failed", false, false],
  ["source", "cancelled", false, false],
  ["target", "running", false, false],
] as const)(
  "a %s whose migration is %s (switched over: %s) is leaving: %s",
  (role, progress, switched, expected) => expect(isLeaving(part(role, progress, switched))).toBe(expected),
);
