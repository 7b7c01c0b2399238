import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { promisify } from "node:util";
import { consoleSocket, type MachineOptions, machineArguments, qmpSocket } from "./arguments.ts";
import { QemuError } from "./error.ts";
import { mayLockMemory } from "./memory.ts";
import { QmpClient } from "./qmp.ts";

const run = promisify(execFile);

/** How a QEMU process ended, with the last it wrote to its standard error. */
export interface MachineExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly words: string;
}

/** A running QEMU. It dies with this process, however this process ends. */
export interface Machine {
  readonly pid: number;
  readonly qmp: QmpClient;
  /** Path of the unix socket behind which the guest's serial console is. */
  readonly console: string;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<MachineExit>;
  /** Ends the process without asking the guest, and waits until it is gone. */
  kill(): Promise<MachineExit>;
}

/** Milliseconds until QEMU must have opened its QMP socket. */
const startDeadline = 20_000;

/**
 * Starts QEMU, inside the network namespace at the path `netns` if one is given, else in this process's.
 *
 * Throws {@link QemuError} `StartFailed` with QEMU's own words, or `MissingProgram`.
 */
export async function startMachine(options: MachineOptions & { netns?: string }): Promise<Machine> {
  mkdirSync(options.directory, { recursive: true });
  for (const socket of [qmpSocket(options.directory), consoleSocket(options.directory)]) {
    rmSync(socket, { force: true });
  }
  const argv = [
    ...["setpriv", "--pdeathsig", "KILL", "--"],
    ...(options.netns ? ["nsenter", `--net=${options.netns}`, "--"] : []),
    options.program,
    ...machineArguments({ lockMemory: mayLockMemory(), ...options }),
  ];
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  const exited = watchExit(child);
  const failed = new AbortController();
  void exited.then(() => failed.abort());
  try {
    const signal = AbortSignal.any([failed.signal, AbortSignal.timeout(startDeadline)]);
    const qmp = await QmpClient.connect(qmpSocket(options.directory), { signal });
    await spreadProcessors(qmp);
    const kill = () => {
      child.kill("SIGKILL");
      return exited;
    };
    return { pid: child.pid!, qmp, console: consoleSocket(options.directory), exited, kill };
  } catch (cause) {
    child.kill("SIGKILL");
    const { words } = await exited;
    throw words.includes("ENOENT") || words.includes("No such file or directory")
      ? new QemuError(
          "MissingProgram",
          `QEMU did not start: ${words}. Install the package qemu-system-x86.`,
          { cause },
        )
      : new QemuError("StartFailed", `QEMU did not start: ${words}`, { cause });
  }
}

/**
 * Gives each of the guest's processors one of ours: left to itself, a busy kernel often runs two of them in turn on one. Where
 * that is not allowed they run as the kernel likes.
 */
async function spreadProcessors(qmp: QmpClient): Promise<void> {
  const available = availableParallelism();
  const processors = await qmp.execute<{ "cpu-index": number; "thread-id": number }[]>("query-cpus-fast");
  if (processors.length < 2 || processors.length > available) return;
  for (const { "cpu-index": index, "thread-id": thread } of processors)
    await run("taskset", ["--cpu-list", "--pid", String(index), String(thread)]).catch(() => {});
}

function watchExit(child: ChildProcess): Promise<MachineExit> {
  let words = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    words = (words + chunk).slice(-2000);
  });
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: null, signal: null, words: String(error) }));
    child.once("close", (code, signal) => resolve({ code, signal, words: words.trim() }));
  });
}
