import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { stateFile, workspace } from "../first/paths.ts";
import { startTimeOf } from "../process.ts";
import type { LabState } from "./state.ts";

const cli = join(workspace, "lab", "src", "cli.ts");
const lab = (...args: string[]) =>
  spawnSync(process.execPath, [cli, ...args], { encoding: "utf8", timeout: 180_000 });

/** What the host would show if the lab leaked. */
function hostState() {
  return {
    interfaces: readdirSync("/sys/class/net").sort(),
    namespaces: existsSync("/run/netns") ? readdirSync("/run/netns").sort() : [],
    mounts: readFileSync("/proc/self/mounts", "utf8"),
    routes: execFileSync("ip", ["route", "show", "table", "all"], { encoding: "utf8" }),
    labDirectory: existsSync("/run/lab"),
  };
}

let before: ReturnType<typeof hostState>;

beforeAll(() => {
  lab("down");
  before = hostState();
});
afterAll(() => void lab("down"));

it("leaves the host untouched while it runs, and nothing when its first process is killed", async () => {
  const up = lab("up", "--json");
  expect(up.stderr).toBe("");
  const { status } = JSON.parse(up.stdout);
  expect(status.nodes.map((n: { name: string }) => n.name)).toEqual([
    "node1",
    "node2",
    "node3",
    "tor",
    "client",
  ]);
  expect(hostState()).toEqual(before);

  const again = lab("up");
  expect(again.status).toBe(1);
  expect(again.stderr).toMatch(/^lab: the lab runs already .* end it with: pnpm lab down\n$/);

  const state = JSON.parse(readFileSync(stateFile, "utf8")) as LabState;
  const children = execFileSync("pgrep", ["-f", join(workspace, "lab", "src", "apiserver", "main.ts")], {
    encoding: "utf8",
  });
  const server = Number(children.trim().split("\n")[0]);
  expect(startTimeOf(server)).toBeDefined();
  process.kill(state.pid, "SIGKILL");
  const deadline = Date.now() + 20_000;
  while (startTimeOf(state.pid) !== undefined || startTimeOf(server) !== undefined) {
    if (Date.now() > deadline) throw new Error("processes of the lab outlive it");
    await delay(20);
  }
  expect(hostState()).toEqual(before);

  const gone = lab("status");
  expect(gone.stderr).toBe("lab: the lab does not run; start it with: pnpm lab up\n");
  expect(existsSync(stateFile)).toBe(false);
});

it("says what is wrong with a topology and starts nothing", () => {
  const wrong = lab("up", "--topology", "/nonexistent.yml");
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toMatch(/lab: .*nonexistent\.yml/s);
  expect(hostState()).toEqual(before);
  expect(lab("down").stdout).toBe("the lab does not run\n");
});
