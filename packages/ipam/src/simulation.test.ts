import { expect, test } from "vitest";
import { simulate } from "./simulation.ts";

test.each([11, 12, 13, 14, 15, 16])(
  "a random history keeps every promise (seed %i)",
  async (seed) => {
    const { assigned, crashes } = await simulate(seed, 1000);
    expect(Math.min(assigned, crashes)).toBeGreaterThan(0);
  },
  60_000,
);
