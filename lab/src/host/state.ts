import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { cannotWrite, LabError } from "../error.ts";
import { inside, stateFile } from "../first/paths.ts";
import { startTimeOf } from "../process.ts";

/** What `lab/out/lab.json` says about a running lab. Process IDs are the host's. */
export interface LabState {
  /** The lab's first process. */
  readonly pid: number;
  /** Its start time in clock ticks since boot: tells it from a later process with the same number. */
  readonly startTime: string;
  readonly topology: string;
  readonly rootless: boolean;
}

/** The running lab, or undefined. What is left of one that ended is removed. */
export async function runningLab(path = stateFile): Promise<LabState | undefined> {
  let state: LabState;
  try {
    state = JSON.parse(await readFile(path, "utf8")) as LabState;
  } catch {
    return undefined;
  }
  if (startTimeOf(state.pid) === state.startTime) return state;
  await rm(path, { force: true });
  return undefined;
}

export async function requireLab(): Promise<LabState> {
  const state = await runningLab();
  if (state === undefined)
    throw new LabError("NotRunning", "the lab does not run; start it with: pnpm lab up");
  return state;
}

/** @throws LabError `DiskFull`, `MissingPrivilege`; then nothing of it is left */
export async function saveState(state: LabState, path = stateFile): Promise<void> {
  const next = `${path}.next`;
  try {
    await writeFile(next, `${JSON.stringify(state)}\n`);
    await rename(next, path);
  } catch (cause) {
    await rm(next, { force: true });
    throw cannotWrite(path, cause);
  }
}

export async function removeState(path = stateFile): Promise<void> {
  await rm(path, { force: true });
}

/** The lab's control socket as the host sees it. */
export function controlSocketOf(state: LabState): string {
  return `/proc/${state.pid}/root${inside.control}`;
}

/** Prefix that runs a program in the lab's root namespaces. */
export function enterLab(state: LabState, workingDirectory = "/"): string[] {
  const target = ["nsenter", "--target", String(state.pid)];
  const user = state.rootless ? ["--user", "--preserve-credentials"] : [];
  return [
    ...target,
    ...user,
    "--mount",
    "--uts",
    "--ipc",
    "--net",
    "--pid",
    `--wd=${workingDirectory}`,
    "--",
  ];
}
