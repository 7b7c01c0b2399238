/**
 * Compares the machine before and after a test run: what tests made, tests remove.
 * Processes are those of this run (they inherit its mark in the environment), the rest is the machine's.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

const mark = "FAIRLEAD_TEST_RUN";

/** What could be left behind, as sorted names; equal snapshots mean nothing was. */
export interface Snapshot {
  readonly interfaces: readonly string[];
  readonly namedNamespaces: readonly string[];
  readonly nftTables: readonly string[];
}

/** Reads the machine. Without the right to read nftables, that list is empty. */
export function takeSnapshot(): Snapshot {
  return {
    interfaces: list("/sys/class/net"),
    namedNamespaces: list("/run/netns"),
    nftTables: nftTables(),
  };
}

/** What is in `after` and was not in `before`, as readable lines. */
export function compareSnapshots(before: Snapshot, after: Snapshot): string[] {
  const added = (name: keyof Snapshot, what: string) =>
    after[name].filter((item) => !before[name].includes(item)).map((item) => `${what} ${item}`);
  return [
    ...added("interfaces", "network interface"),
    ...added("namedNamespaces", "network namespace"),
    ...added("nftTables", "nft table"),
  ];
}

/** Processes of the run with this mark other than this one and its ancestors, as `pid command line`. */
export function processesOfRun(run: string): string[] {
  const found: string[] = [];
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "utf8").includes(`${mark}=${run}`)) continue;
      if (readlinkSync(`/proc/${pid}/exe`) === "") continue;
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      // The test runner watches over itself and ends after us.
      if (!commandLine.startsWith("vitest")) found.push(`${pid} ${commandLine}`);
    } catch {
      // It ended while we looked, or it is not ours to read.
    }
  }
  return found;
}

export default function setup() {
  const run = randomUUID();
  process.env[mark] = run;
  // Interfaces, namespaces and tables belong to the whole machine: only a complete run, which has it to itself, judges them.
  const complete = process.env.FAIRLEAD_COMPLETE_TEST_RUN === "1";
  const before = takeSnapshot();
  return async function teardown() {
    // Vitest's own workers end a moment after the last test.
    const deadline = Date.now() + 5_000;
    let processes = processesOfRun(run);
    while (processes.length > 0 && Date.now() < deadline) {
      await delay(100);
      processes = processesOfRun(run);
    }
    const machine = complete ? compareSnapshots(before, takeSnapshot()) : [];
    const left = [...machine, ...processes.map((line) => `process ${line}`)];
    if (left.length > 0) throw new Error(`the test run left behind:\n  ${left.join("\n  ")}`);
  };
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

function nftTables(): string[] {
  try {
    return execFileSync("nft", ["list", "tables"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
      .split("\n")
      .filter(Boolean)
      .sort();
  } catch {
    return [];
  }
}
