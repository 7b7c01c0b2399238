import { afterEach, expect, it, vi } from "vitest";
import { systemClock } from "./clock.ts";

afterEach(() => vi.restoreAllMocks());

it("goes on evenly when the machine's clock is set back or forward: no wait becomes longer or shorter", () => {
  const before = systemClock.now();
  expect(Math.abs(before - Date.now())).toBeLessThan(86_400_000);
  for (const day of ["1970-01-01", "2200-01-01"]) {
    vi.spyOn(Date, "now").mockReturnValue(Date.parse(day));
    const now = systemClock.now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now - before).toBeLessThan(86_400_000);
  }
});
