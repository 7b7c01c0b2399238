import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { rankSession } from "../precedence.ts";
import { childrenOf, sendSignal, startTimeOf } from "../process.ts";

export interface ContainerStart {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Empty: the node's own network. */
  readonly netns: string;
  readonly logFile: string;
  /** Receives the exit status. */
  readonly exitFile: string;
}

/**
 * Starts a container's process and returns its process ID and start time. The process is the leader of its own session, outlives
 * the kubelet, and leaves its exit status in a file, so that a kubelet that was killed in between still learns it.
 */
export function startContainer(
  start: ContainerStart,
  onExit: () => void,
): { pid: number; startTime: string } {
  mkdirSync(dirname(start.logFile), { recursive: true });
  rmSync(start.exitFile, { force: true });
  const log = openSync(start.logFile, "a");
  try {
    const enter = start.netns === "" ? [] : ["nsenter", `--net=${start.netns}`, "--"];
    // A constant script: waits for the program given as arguments and writes down how it ended.
    const keeper = ["sh", "-c", '"$@"; echo $? >"$0"', start.exitFile];
    const [program, ...args] = [...enter, ...keeper, ...start.argv];
    const child = spawn(program!, args, { detached: true, stdio: ["ignore", log, log], env: start.env });
    child.on("error", onExit);
    child.on("exit", onExit);
    child.unref();
    const startTime = child.pid === undefined ? undefined : startTimeOf(child.pid);
    if (child.pid === undefined || startTime === undefined) throw new Error(`cannot run ${program}`);
    rankSession(child.pid, "container");
    return { pid: child.pid, startTime };
  } finally {
    closeSync(log);
  }
}

/** The exit status, undefined while the process runs. A process that was killed together with its keeper counts as 137. */
export function exitCodeOf(
  container: { readonly pid: number; readonly startTime: string },
  exitFile: string,
) {
  if (startTimeOf(container.pid) === container.startTime) return undefined;
  try {
    const code = Number.parseInt(readFileSync(exitFile, "utf8"), 10);
    return Number.isNaN(code) ? 137 : code;
  } catch {
    return 137;
  }
}

/** SIGTERM to the container's main process only: what it started is its own business until the grace period ends. */
export function terminateContainer(container: { readonly pid: number; readonly startTime: string }): void {
  if (startTimeOf(container.pid) !== container.startTime) return;
  for (const main of childrenOf(container.pid)) sendSignal(main, "SIGTERM");
}

/** SIGKILL to the container's whole session. */
export function killContainer(container: { readonly pid: number; readonly startTime: string }): void {
  if (startTimeOf(container.pid) !== container.startTime) return;
  for (const main of childrenOf(container.pid)) sendSignal(main, "SIGKILL");
  sendSignal(-container.pid, "SIGKILL");
}
