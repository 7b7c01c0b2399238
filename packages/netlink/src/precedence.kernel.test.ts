import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { Thread } from "./thread.ts";

it("a thread that takes precedence is the only one of its process that has it", async () => {
  const seen = Promise.withResolvers<string>();
  await using thread = new Thread<string, string>({
    beside: import.meta.url,
    program: "precedence-thread.fixture",
    name: "precedence",
    onReport: seen.resolve,
    onError: seen.reject,
  });
  thread.ref();
  const own = readFileSync("/proc/self/stat", "utf8");
  thread.post("take");
  const [stat = "", slice] = (await seen.promise).split("\n");
  const niceness = (line: string) => Number(line.split(") ")[1]!.split(" ")[16]);
  expect(niceness(stat)).toBe(-15);
  expect(niceness(own)).toBe(niceness(readFileSync("/proc/self/stat", "utf8")));
  expect(niceness(own)).not.toBe(-15);
  // Kernels that have it (and say so) give slices of their own.
  if (slice) expect(slice).toBe("100000");
});
