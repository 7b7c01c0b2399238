import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { compareSnapshots, processesOfRun, takeSnapshot } from "./leftovers.ts";

describe("leftovers", () => {
  it("finds nothing between two looks at the same machine", () => {
    expect(compareSnapshots(takeSnapshot(), takeSnapshot())).toEqual([]);
  });

  it("names an interface, a namespace and a table that were not there before", () => {
    const before = { interfaces: ["lo"], namedNamespaces: [], nftTables: [] };
    const after = { interfaces: ["cali0", "lo"], namedNamespaces: ["x"], nftTables: ["table inet fairlead"] };
    expect(compareSnapshots(before, after)).toEqual([
      "network interface cali0",
      "network namespace x",
      "nft table table inet fairlead",
    ]);
  });

  it("does not count what was there before and is gone", () => {
    const before = { interfaces: ["lo", "eth9"], namedNamespaces: ["old"], nftTables: [] };
    expect(compareSnapshots(before, { interfaces: ["lo"], namedNamespaces: [], nftTables: [] })).toEqual([]);
  });

  it("sees a process that carries the mark of the run, until it ends", async () => {
    const run = "a-run-of-this-test";
    const child = spawn("sleep", ["60"], { env: { ...process.env, FAIRLEAD_TEST_RUN: run } });
    await once(child, "spawn");
    expect(processesOfRun(run)).toEqual([`${child.pid} sleep 60`]);
    child.kill();
    await once(child, "exit");
    expect(processesOfRun(run)).toEqual([]);
  });
});
