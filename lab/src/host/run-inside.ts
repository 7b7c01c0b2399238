import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "../error.ts";
import { logDirectory } from "../first/paths.ts";
import { promptly } from "../precedence.ts";
import { startTimeOf } from "../process.ts";
import { interruption } from "./interruption.ts";
import { type StartOptions, startLab } from "./start.ts";
import { enterLab, type LabState } from "./state.ts";
import { stopLab } from "./stop.ts";

/**
 * Brings the lab up for one program, runs it in the lab's root namespaces (where the API server and every machine can be
 * reached), and takes the lab down again however the program ended. Ctrl-C ends the program first; when we are killed, the lab
 * ends by itself.
 *
 * A program that `measures` runs promptly: a witness that waits for a processor tells of events when it got one.
 *
 * @returns the program's exit status; 130 when it was interrupted.
 * @throws LabError `NotRunning` when the lab ended under the program
 */
export async function runInside(
  argv: readonly string[],
  options: StartOptions & { readonly workingDirectory: string; readonly measures?: boolean },
): Promise<number> {
  const interrupted = interruption("the lab was ended");
  const lab = await startLab({ ...options, attached: true, signal: interrupted });
  try {
    const prefix = options.measures ? promptly() : [];
    const [command, ...args] = [...prefix, ...enterLab(lab, options.workingDirectory), ...argv];
    const child = spawn(command!, args, { stdio: "inherit" });
    interrupted.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
    const [status, signal] = await once(child, "exit");
    const labEnded = signal !== null && (await endedWithin(lab, 1_000, interrupted));
    if (interrupted.aborted) return 130;
    if (labEnded)
      throw new LabError(
        "NotRunning",
        `the lab ended while ${argv[0]} ran in it; see ${logDirectory}/lab.log`,
      );
    return status ?? 1;
  } finally {
    await stopLab(lab);
  }
}

/**
 * Whether the lab is gone or about to be: what runs in it dies a moment before its first process does. False when we were
 * interrupted, of which the program may hear before us.
 */
async function endedWithin(lab: LabState, patience: number, interrupted: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + patience;
  while (startTimeOf(lab.pid) === lab.startTime) {
    if (interrupted.aborted || Date.now() > deadline) return false;
    await delay(20);
  }
  return true;
}
