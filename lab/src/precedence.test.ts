import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { promptly, rankSession } from "./precedence.ts";

test.runIf(existsSync("/proc/self/autogroup"))("a session that is ranked leaves ours as it is", async () => {
  const ours = readFileSync("/proc/self/autogroup", "utf8");
  const child = spawn("sleep", ["60"], { detached: true, stdio: "ignore" });
  try {
    const ranked = rankSession(child.pid!, "container");
    const theirs = readFileSync(`/proc/${child.pid}/autogroup`, "utf8");
    expect(theirs.endsWith("nice -15\n")).toBe(ranked);
    expect(readFileSync("/proc/self/autogroup", "utf8")).toBe(ours);
  } finally {
    child.kill();
    await once(child, "exit");
  }
});

test("a session that has ended cannot be ranked", () => {
  expect(rankSession(2 ** 22 + 1, "container")).toBe(false);
});

test("what runs promptly is real-time where the user may, and runs in any case", () => {
  const [program, ...args] = [...promptly(), "cat", "/proc/self/stat"];
  const fields = execFileSync(program!, args, { encoding: "utf8" }).split(") ")[1]!.split(" ");
  // proc(5): rt_priority and policy, fields 40 and 41; state is the third.
  expect(fields.slice(37, 39)).toEqual(promptly().length > 0 ? ["1", "2"] : ["0", "0"]);
});
