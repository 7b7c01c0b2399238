import { mkdtempSync, rmSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Supervisor } from "./supervisor.ts";

let logDirectory: string;
let supervisor: Supervisor;

beforeEach(() => {
  logDirectory = mkdtempSync(join(tmpdir(), "supervisor-"));
  supervisor = new Supervisor({ logDirectory, enter: () => [] });
});

afterEach(async () => {
  supervisor.stopAll();
  await vi.waitFor(() => expect(supervisor.status().filter(({ pid }) => pid !== undefined)).toEqual([]), {
    timeout: 30_000,
  });
  rmSync(logDirectory, { recursive: true });
});

test("a program of the control plane leaves the processors to the others", () => {
  const own = getPriority();
  supervisor.add({ name: "apiserver", argv: ["sleep", "60"], niceness: 10 });
  supervisor.add({ name: "node1/bird", node: "node1", argv: ["sleep", "60"] });
  const priorities = supervisor.status().map(({ name, pid }) => [name, getPriority(pid)]);
  expect(priorities).toEqual([
    ["apiserver", 10],
    ["node1/bird", own],
  ]);
});
