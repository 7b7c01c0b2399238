import { expect, it } from "vitest";
import { createMigrationMonitor, defaultLimits } from "./migration-monitor.ts";

const limits = { progressTimeout: 10, completionTimeoutPerGiB: 30, allowPostCopy: false };
const at = (seconds: number, remaining: number) => ({ elapsedMs: seconds * 1000, remaining });

it("lets a copy go on that comes down to new lows, however slowly", () => {
  const judge = createMigrationMonitor(limits, 128);
  for (let second = 0; second < 30; second += 9) expect(judge(at(second, 1000 - second))).toBeUndefined();
});

it("gives up a copy whose rest has not reached a new low for the time allowed", () => {
  const judge = createMigrationMonitor(limits, 128);
  expect(judge(at(1, 500))).toBeUndefined();
  // The guest writes faster than it is copied.
  expect(judge(at(10.9, 900))).toBeUndefined();
  expect(judge(at(11, 500))).toEqual({ do: "abort", reason: "Live migration stuck for 10 seconds" });
});

it.each([
  [128, 30],
  [953, 30],
  [954, 60],
  [4096, 150],
])("a guest of %i MiB has %i s for all of it", (memoryMiB, seconds) => {
  const judge = createMigrationMonitor(limits, memoryMiB);
  let remaining = 1000;
  for (let second = 0; second < seconds; second += 5) expect(judge(at(second, remaining--))).toBeUndefined();
  const reason = `Live migration is not completed after ${seconds} seconds`;
  expect(judge(at(seconds, remaining--))).toEqual({ do: "abort", reason });
});

it("where post-copy is allowed it takes the place of the abort for taking too long, not of that for being stuck", () => {
  const judge = createMigrationMonitor({ ...limits, allowPostCopy: true }, 128);
  for (let second = 0; second < 30; second += 5) expect(judge(at(second, 1000 - second))).toBeUndefined();
  expect(judge(at(30, 900))).toMatchObject({ do: "postCopy" });
  const stuck = createMigrationMonitor({ ...limits, allowPostCopy: true }, 128);
  stuck(at(1, 500));
  expect(stuck(at(11, 500))).toMatchObject({ do: "abort" });
});

it("by default each takes 150 s, and nothing becomes a post-copy", () => {
  expect(defaultLimits).toEqual({ progressTimeout: 150, completionTimeoutPerGiB: 150, allowPostCopy: false });
});
