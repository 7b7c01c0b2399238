import type { GuestPlace, PodPart, PodSight } from "@fairlead/kubevirt";
import { describe, expect, it } from "vitest";
import { inputOf, isLeaving, rules } from "./sighting.ts";

const madeFor = { uid: "m", createdAt: "2026-01-01T00:00:00.000Z" };
const sight = (place: GuestPlace, part: PodPart, more: Partial<PodSight> = {}): PodSight => ({
  place,
  part,
  madeFor,
  revision: "7",
  ...more,
});

it.each([
  ["here", "none", "Arrived"],
  ["here", "arrived", "Arrived"],
  ["here", "untold", "Arrived"],
  ["here", "source", "Leaving"],
  ["here", "left", undefined],
  ["elsewhere", "none", "Elsewhere"],
  ["elsewhere", "candidate", "Expected"],
  ["elsewhere", "target", "Named"],
  ["elsewhere", "arrived", "Switched"],
  ["elsewhere", "untold", undefined],
  ["elsewhere", "spent", "Elsewhere"],
  // A second migration that waits still names the source of when it was made.
  ["elsewhere", "source", "Elsewhere"],
  ["elsewhere", "left", "Elsewhere"],
  ["unknown", "none", undefined],
  ["unknown", "candidate", "Expected"],
  ["unknown", "target", "Named"],
  ["unknown", "arrived", "Switched"],
  ["unknown", "untold", undefined],
  ["unknown", "spent", undefined],
  ["unknown", "source", undefined],
] as const)("with the guest %s, a pod that is %s is told: %s", (place, part, expected) =>
  expect(inputOf(sight(place, part))?.type).toBe(expected),
);

describe("whatever a pod's part is", () => {
  const parts = Object.keys(rules.here) as PodPart[];

  it("with the guest here it is never told that it is elsewhere, nor with the guest elsewhere that it is here", () => {
    for (const part of [...parts, "left"] as const) {
      expect(["Arrived", "Leaving", undefined]).toContain(rules.here[part]);
      expect(["Arrived", "Leaving"]).not.toContain(rules.elsewhere[part]);
      expect(["Arrived", "Leaving"]).not.toContain(rules.unknown[part]);
    }
  });

  it("only one that KubeVirt has named listens or is told that the guest has switched to it", () => {
    for (const place of ["here", "elsewhere", "unknown"] as const)
      for (const part of [...parts, "left"] as const)
        if (rules[place][part] === "Named" || rules[place][part] === "Switched")
          expect(["target", "arrived"]).toContain(part);
  });
});

it("an expectation names the migration and when it was created", () =>
  expect([inputOf(sight("unknown", "candidate")), inputOf(sight("elsewhere", "target"))]).toEqual([
    { type: "Expected", migration: madeFor },
    { type: "Named", migration: madeFor },
  ]));

it("a pod is to own the addresses where a migration's record names it; a VM that never migrated has its owner", () => {
  const claim = { migration: "m", revision: "7" };
  expect(inputOf(sight("here", "none", { placedBy: "m" }))).toEqual({ type: "Arrived", claim });
  expect(inputOf(sight("here", "source", { placedBy: "m" }))).toEqual({ type: "Leaving", claim });
  expect(inputOf(sight("here", "none"))).toEqual({ type: "Arrived" });
});

it.each([
  ["here", "source", true],
  // What it has not read is sent after it, and it has just left.
  ["here", "left", true],
  ["unknown", "source", true],
  ["elsewhere", "source", false],
  ["here", "none", false],
  ["elsewhere", "target", false],
] as const)("with the guest %s, a pod that is %s is leaving: %s", (place, part, expected) =>
  expect(isLeaving(sight(place, part))).toBe(expected),
);
