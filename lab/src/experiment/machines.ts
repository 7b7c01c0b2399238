/** The lab's machines as seen from inside its root namespaces. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { ask } from "../control/client.ts";
import type { NodeStatus } from "../control/protocol.ts";
import { LabError } from "../error.ts";
import { inside } from "../first/paths.ts";
import { promptly } from "../precedence.ts";

/** All machines of the running lab. */
export async function listMachines(): Promise<readonly NodeStatus[]> {
  return (await ask(inside.control, { method: "status" })).nodes;
}

/** A path of a machine's own mount namespace, as this process can open it. */
export function pathOn(machine: NodeStatus, path: string): string {
  return `/proc/${machine.pid}/root${path}`;
}

/** Prefix that runs a program on a machine. */
export function entering(machine: NodeStatus): [string, ...string[]] {
  return ["nsenter", "--target", String(machine.pid), "--net", "--mount", "--uts", "--"];
}

/** Starts a program on a machine: in its network, its mounts and its host name, and as the leader of its own session. */
export function spawnOn(machine: NodeStatus, argv: readonly string[]): ChildProcess {
  const [program, ...args] = [...promptly(), ...entering(machine), ...argv];
  return spawn(program!, args, { stdio: ["ignore", "ignore", "inherit"], detached: true });
}

/** The lines of a machine's JSON-lines file; none when it does not exist yet. A last line still being written is left out. */
export function readLines<T>(machine: NodeStatus, path: string): T[] {
  let text: string;
  try {
    text = readFileSync(pathOn(machine, path), "utf8");
  } catch {
    return [];
  }
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** Asks again every 50 ms until the answer is not undefined. @throws LabError `Timeout` that names what was waited for */
export async function waitFor<T>(
  what: string,
  seconds: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      throw new LabError(
        "Timeout",
        `${what} did not happen within ${seconds} s; see lab/out/logs and: npm run lab -- status`,
      );
    }
    await delay(50);
  }
}
