import { expect, test } from "vitest";
import { simulate, stepNames } from "./simulation.ts";

/** Kinds of steps that were taken in any of the histories. */
const taken = new Set<string>();
const seeds = Array.from({ length: 12 }, (_, i) => 22 + i);

test.each(seeds)(
  "a random history keeps every promise (seed %i)",
  async (seed) => {
    const result = await simulate(seed, 700);
    for (const name of Object.keys(result.taken)) taken.add(name);
    expect(Math.min(result.assigned, result.crashes, result.faults, result.migrated)).toBeGreaterThan(0);
  },
  60_000,
);

test("and nothing in it is idle: every kind of step was taken", () => {
  expect([...taken].sort()).toEqual([...stepNames].sort());
});
