import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { rankSession } from "./session.ts";

test.runIf(existsSync("/proc/self/autogroup"))("a session that is ranked leaves ours as it is", async () => {
  const ours = readFileSync("/proc/self/autogroup", "utf8");
  const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  try {
    const ranked = rankSession(child.pid!, "probe");
    const theirs = readFileSync(`/proc/${child.pid}/autogroup`, "utf8");
    expect(theirs.endsWith("nice -15\n")).toBe(ranked);
    expect(readFileSync("/proc/self/autogroup", "utf8")).toBe(ours);
  } finally {
    child.kill();
    await once(child, "exit");
  }
});

test("a session that has ended cannot be ranked", () => {
  expect(rankSession(2 ** 22 + 1, "probe")).toBe(false);
});
