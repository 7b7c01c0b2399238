import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { compileCache, workspace } from "../first/paths.ts";
import type { LabState } from "./state.ts";

const cli = join(workspace, "lab", "src", "cli.ts");

/** A router and a client: everything of a lab but the workers, which take most of its start. */
const withoutWorkers = `
name: without-workers
topology:
  nodes:
    tor: { kind: linux, mgmt-ipv4: 172.20.20.21, labels: { fairlead.io/role: router } }
    client: { kind: linux, mgmt-ipv4: 172.20.20.31, labels: { fairlead.io/role: client } }
mgmt: { ipv4-subnet: 172.20.20.0/24, ipv6-subnet: "fd00:172:20:20::/64" }
`;

/** The command line of `lab ...`. */
export function labCommand(...args: string[]): [string, ...string[]] {
  return [process.execPath, cli, ...args];
}

/** For tests: a lab with an output directory of its own, whose name every process of it carries in its environment. */
export class Trial {
  readonly out = mkdtempSync(join(tmpdir(), "fairlead-lab-"));
  readonly stateFile = join(this.out, "lab.json");
  readonly topology = join(this.out, "without-workers.clab.yml");
  readonly environment = { ...process.env, FAIRLEAD_LAB_OUT: this.out, NODE_COMPILE_CACHE: compileCache };
  readonly #before = tracesOnHost([this.out]);

  constructor() {
    mkdirSync(this.out, { recursive: true });
    writeFileSync(this.topology, withoutWorkers);
  }

  /** Runs the command line to its end. */
  lab(...args: string[]): SpawnSyncReturns<string> {
    return this.run(labCommand(...args));
  }

  /** Runs it after a shell command, in a mount namespace of its own. */
  labAfter(preparation: string, ...args: string[]): SpawnSyncReturns<string> {
    const shell = `${preparation} && exec "$@"`;
    return this.run(["unshare", "--mount", "sh", "-c", shell, "sh", ...labCommand(...args)]);
  }

  run([program, ...args]: readonly string[]): SpawnSyncReturns<string> {
    return spawnSync(program!, args, { encoding: "utf8", timeout: 280_000, env: this.environment });
  }

  /** Starts it in a process group of its own, as a terminal does. Its words go to `words`. */
  start(...args: string[]): ChildProcess & { words: () => string } {
    const [program, ...words] = labCommand(...args);
    const child = spawn(program, words, {
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
      env: this.environment,
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
    return Object.assign(child, { words: () => said });
  }

  state(): LabState {
    return JSON.parse(readFileSync(this.stateFile, "utf8")) as LabState;
  }

  /** Processes of this lab, as `pid command line`. */
  processes(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((pid) => {
        try {
          if (!readFileSync(`/proc/${pid}/environ`, "utf8").includes(`FAIRLEAD_LAB_OUT=${this.out}\0`))
            return [];
          readlinkSync(`/proc/${pid}/exe`);
          return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()}`];
        } catch {
          return [];
        }
      });
  }

  /** What of the lab there is on the host. Other tests run beside this one: only what bears the lab's own names counts. */
  leftovers(): string[] {
    const files = readdirSync(this.out).filter((name) => name !== "logs" && !name.endsWith(".clab.yml"));
    return [
      ...tracesOnHost([this.out]).filter((trace) => !this.#before.includes(trace)),
      ...this.processes().map((line) => `process ${line}`),
      ...files.map((name) => `file ${name}`),
    ];
  }

  /** Waits until nothing is left, and returns what is after all. */
  async leftoversAtLast(patience = 20_000): Promise<string[]> {
    const deadline = Date.now() + patience;
    for (;;) {
      const left = this.leftovers();
      if (left.length === 0 || Date.now() > deadline) return left;
      await delay(20);
    }
  }

  end(): void {
    this.lab("down");
    rmSync(this.out, { recursive: true, force: true });
  }
}

/** What the host would show of a lab that leaked: its interfaces, namespaces, directory and mounts. */
function tracesOnHost(directories: readonly string[]): string[] {
  const list = (path: string) => (existsSync(path) ? readdirSync(path) : []);
  const marks = ["/run/lab", "overlay", ...directories];
  const mounts = readFileSync("/proc/self/mounts", "utf8").trim().split("\n");
  return [
    ...list("/sys/class/net").filter((name) => name === "mgmt" || name.startsWith("m-")),
    ...list("/run/netns").filter((name) => /^(node\d|tor|client)$/.test(name)),
    ...list("/run/lab"),
    ...mounts.filter((line) => marks.some((mark) => line.includes(mark))),
  ].map((name) => `on the host: ${name}`);
}

/** Waits for a condition. */
export async function until(what: string, holds: () => boolean, patience = 60_000): Promise<void> {
  const deadline = Date.now() + patience;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within ${patience / 1000} s`);
    await delay(10);
  }
}
