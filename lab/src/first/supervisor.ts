import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, existsSync, type WriteStream } from "node:fs";
import { setPriority } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { run } from "../command.ts";
import type { ProcessState, ProcessStatus } from "../control/protocol.ts";
import { LabError, messageOf } from "../error.ts";
import { promptly } from "../precedence.ts";
import { descendantsOf, sendSignal } from "../process.ts";

/** One long-running program of the lab, as data. */
export interface ProcessSpec {
  /** For example `node1/bird`. Unique. */
  readonly name: string;
  /** The machine it belongs to; absent for the control plane. */
  readonly node?: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Interrupts the others as soon as it has something to do. */
  readonly isPrompt?: boolean;
  /** What it starts belongs to it: SIGKILL ends that as well, as the end of a container does. */
  readonly isContainer?: boolean;
  /** Runs when the others leave it a processor. */
  readonly isBackground?: boolean;
  /** Path as seen by the supervisor; the program starts when this file exists. */
  readonly after?: string;
  /** Path as seen by the supervisor; without this file the program is not part of this build and is not started. */
  readonly program?: string;
  /** Gives the program its configuration. Run on its machine after each start, again and again until it succeeds. */
  readonly configure?: readonly string[];
}

interface Entry {
  readonly spec: ProcessSpec;
  readonly log: string;
  child?: ChildProcess;
  sink?: WriteStream;
  restarts: number;
  lastExit?: string;
  startedAt: number;
  delay: number;
  timer?: NodeJS.Timeout;
  state: ProcessState;
}

/** Milliseconds: first wait after a crash, longest wait, and how long a run counts as a success. */
const backOff = { first: 100, longest: 5_000, healthy: 10_000 } as const;
const filePoll = 50;

/** Starts programs, starts them again when they end, and keeps what they print. */
export class Supervisor {
  readonly #entries = new Map<string, Entry>();
  readonly #logDirectory: string;
  readonly #enter: (node: string | undefined) => readonly string[];
  readonly #memoryOf: (pid: number) => number;
  #stopping = false;

  /** @param enter command prefix that runs a program on a machine */
  constructor(options: {
    readonly logDirectory: string;
    readonly enter: (node: string | undefined) => readonly string[];
    readonly memoryOf?: (pid: number) => number;
  }) {
    this.#logDirectory = options.logDirectory;
    this.#enter = options.enter;
    this.#memoryOf = options.memoryOf ?? (() => 0);
  }

  add(spec: ProcessSpec): void {
    if (this.#entries.has(spec.name))
      throw new LabError("BadRequest", `there is a process ${spec.name} already`);
    const entry: Entry = {
      spec,
      log: join(this.#logDirectory, `${spec.name.replaceAll("/", ".")}.log`),
      restarts: 0,
      startedAt: 0,
      delay: backOff.first,
      state: "waiting",
    };
    this.#entries.set(spec.name, entry);
    this.#start(entry);
  }

  status(): ProcessStatus[] {
    return [...this.#entries.values()].map((entry) => ({
      name: entry.spec.name,
      ...(entry.spec.node !== undefined && { node: entry.spec.node }),
      state: entry.state,
      ...(entry.child?.pid !== undefined && { pid: entry.child.pid }),
      restarts: entry.restarts,
      memory: processesOf(entry).reduce((sum, pid) => sum + this.#memoryOf(pid), 0),
      ...(entry.lastExit !== undefined && { lastExit: entry.lastExit }),
      log: entry.log,
    }));
  }

  /** Sends a signal to a process; the supervisor starts it again as after a crash. Returns its process ID. */
  kill(name: string, signal: NodeJS.Signals): number {
    const entry = this.#find(name);
    const pid = entry.child?.pid;
    if (pid === undefined) throw new LabError("BadRequest", `${name} does not run (${entry.state})`);
    signalTo(entry, signal);
    return pid;
  }

  /** Ends a process, or starts a stopped one; either way it runs again without waiting. */
  restart(name: string): void {
    const entry = this.#find(name);
    entry.delay = 0;
    if (entry.child) {
      // It may be on its way to a stop.
      entry.state = "running";
      entry.child.kill("SIGTERM");
    } else this.#start(entry);
  }

  /** Ends a process and leaves it ended until `restart`. */
  stop(name: string, signal: NodeJS.Signals = "SIGTERM"): void {
    const entry = this.#find(name);
    clearTimeout(entry.timer);
    entry.state = "stopped";
    signalTo(entry, signal);
  }

  /** Asks everything to end; nothing is started any more. */
  stopAll(): void {
    this.#stopping = true;
    for (const entry of this.#entries.values()) {
      clearTimeout(entry.timer);
      entry.child?.kill("SIGTERM");
    }
  }

  #find(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry !== undefined) return entry;
    const names = [...this.#entries.keys()].join(", ");
    throw new LabError("UnknownProcess", `there is no process ${name}; there are: ${names}`);
  }

  #start(entry: Entry): void {
    clearTimeout(entry.timer);
    if (this.#stopping) return;
    const { spec } = entry;
    if (spec.program !== undefined && !existsSync(spec.program)) {
      entry.state = "absent";
      return;
    }
    if (spec.after !== undefined && !existsSync(spec.after)) {
      entry.state = "waiting";
      entry.timer = setTimeout(() => this.#start(entry), filePoll);
      return;
    }
    const [program, ...args] = [
      ...(spec.isPrompt ? promptly() : []),
      ...this.#enter(spec.node),
      ...spec.argv,
    ];
    const child = spawn(program!, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...spec.env },
      // Where the kernel shares processors between sessions, ours has precedence and its own session has not.
      detached: spec.isBackground ?? false,
    });
    if (child.pid !== undefined && spec.isBackground) setNiceness(child.pid, backgroundNiceness);
    entry.child = child;
    entry.state = "running";
    entry.startedAt = performance.now();
    entry.sink ??= openLog(entry.log);
    const { sink } = entry;
    const write = (chunk: Buffer | string) => void (sink.writable && sink.write(chunk));
    child.stdout.on("data", write);
    child.stderr.on("data", write);
    if (spec.configure !== undefined) void this.#configure(entry, child, spec.configure, write);
    child.on("error", (error) => {
      entry.lastExit = messageOf(error);
      // A program that could not be started reports no end.
      if (child.pid === undefined) this.#ended(entry, child);
    });
    child.on("exit", (status, signal) => {
      entry.lastExit = signal ?? `status ${status}`;
      this.#ended(entry, child);
    });
  }

  async #configure(
    entry: Entry,
    child: ChildProcess,
    argv: readonly string[],
    write: (line: string) => void,
  ): Promise<void> {
    let pause: number = filePoll;
    while (entry.child === child && !this.#stopping) {
      try {
        return void (await run([...this.#enter(entry.spec.node), ...argv]));
      } catch (error) {
        write(`${messageOf(error)}\n`);
      }
      await delay(pause, undefined, { ref: false });
      pause = Math.min(backOff.longest, pause * 2);
    }
  }

  #ended(entry: Entry, child: ChildProcess): void {
    if (entry.child !== child) return;
    delete entry.child;
    if (entry.state === "stopped" || this.#stopping) return;
    if (performance.now() - entry.startedAt > backOff.healthy) entry.delay = backOff.first;
    entry.state = "restarting";
    entry.restarts++;
    entry.timer = setTimeout(() => this.#start(entry), entry.delay);
    entry.delay = Math.min(backOff.longest, Math.max(backOff.first, entry.delay * 2));
  }
}

/** The program's process, and those of its container. */
function processesOf({ spec, child }: Entry): number[] {
  if (child?.pid === undefined) return [];
  return [child.pid, ...(spec.isContainer ? descendantsOf(child.pid) : [])];
}

/** Only the kernel ends a container's other processes; any other signal is for the program to act on. */
function signalTo(entry: Entry, signal: NodeJS.Signals): void {
  const [, ...others] = signal === "SIGKILL" ? processesOf(entry) : [];
  entry.child?.kill(signal);
  for (const pid of others) sendSignal(pid, signal);
}

/** Where all sessions are one to the kernel. */
const backgroundNiceness = 10;

/** The program may have ended already. */
function setNiceness(pid: number, niceness: number): void {
  try {
    setPriority(pid, niceness);
  } catch (error) {
    process.stderr.write(`niceness of process ${pid}: ${messageOf(error)}\n`);
  }
}

/** A log that cannot be written (a full disk) must not end the lab. */
function openLog(path: string): WriteStream {
  const sink = createWriteStream(path, { flags: "a" });
  sink.on("error", (error) => process.stderr.write(`log ${path}: ${error.message}\n`));
  return sink;
}
