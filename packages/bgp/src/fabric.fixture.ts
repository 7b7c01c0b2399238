import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Bird, createBird } from "./bird.ts";
import { birdConfiguration } from "./configuration.ts";
import { speaker } from "./speaker.fixture.ts";

const entry = join(import.meta.dirname, "..", "entry", "bird.sh");

/** The router's own configuration: an iBGP route reflector that installs what it hears. */
const reflector = `
router id 10.10.0.1;
protocol device {}
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { import none; export where source = RTS_BGP; }; }
protocol kernel { ipv6 { import none; export where source = RTS_BGP; }; }
template bgp worker { local as 64512; rr client; passive on; multihop; graceful restart on; }
protocol bgp w4 from worker { neighbor range 10.10.0.0/16 as 64512; dynamic name "w4_"; ipv4 { import all; export where source = RTS_BGP; }; }
protocol bgp w6 from worker { neighbor range fd00:10::/32 as 64512; dynamic name "w6_"; ipv6 { import all; export where source = RTS_BGP; }; }
`;

/** A machine in a network namespace of its own, with a BIRD. */
export interface Machine {
  readonly name: string;
  readonly bird: Bird;
  ip(...args: string[]): string;
  /** Starts BIRD with whatever its configuration file says; a worker's as in a container, by `entry/bird.sh`. */
  start(): void;
  /** Kills BIRD without warning. */
  kill(): Promise<void>;
  /** Sends SIGTERM to what was started, as a kubelet does, and resolves with its exit status. */
  terminate(): Promise<number | null>;
  /** Resolves with the exit status of what was started. */
  ended(): Promise<number | null>;
  /** Programs that what was started has started. */
  children(): { readonly pid: number; readonly name: string }[];
  readonly configFile: string;
  /** Follows what the kernel says of its routes to this destination; the function ends it and returns the lines. */
  watch(destination: string): () => readonly string[];
}

/**
 * Two workers behind a router, each with a workload interface `cali1`, real kernels and real BIRDs. Everything goes with `close`.
 */
export class Fabric implements AsyncDisposable {
  readonly tor: Machine;
  readonly workers: readonly Machine[];
  readonly #directory = mkdtempSync(join(tmpdir(), "fairlead-bgp-"));
  readonly #prefix = `flb${process.pid}`;
  readonly #machines: (Machine & { child?: ChildProcess })[] = [];

  constructor() {
    this.tor = this.#machine("tor");
    this.workers = [1, 2].map((i) => {
      const worker = this.#machine(`n${i}`);
      const [own, peer] = [`${this.#prefix}n${i}`, `${this.#prefix}tor`];
      execFileSync("ip", [
        "link",
        "add",
        "eth1",
        "netns",
        own,
        "type",
        "veth",
        "peer",
        "name",
        `eth${i}`,
        "netns",
        peer,
      ]);
      for (const [machine, device, end] of [
        [worker, "eth1", 2],
        [this.tor, `eth${i}`, 1],
      ] as const) {
        machine.ip("addr", "add", `10.10.${i}.${end}/24`, "dev", device);
        machine.ip("addr", "add", `fd00:10:${i}::${end}/64`, "dev", device, "nodad");
        machine.ip("link", "set", device, "up");
      }
      worker.ip("route", "add", "default", "via", `10.10.${i}.1`);
      worker.ip("route", "add", "default", "via", `fd00:10:${i}::1`);
      worker.ip("link", "add", "cali1", "type", "veth", "peer", "name", "pod1");
      worker.ip("link", "set", "cali1", "up");
      worker.ip("link", "set", "pod1", "up");
      return worker;
    });
    writeFileSync(join(this.#directory, "tor.conf"), reflector);
    this.tor.start();
  }

  /** What worker `i` (from 1) is configured with. */
  configuration(i: number): string {
    return birdConfiguration(
      speaker({
        node: { name: `n${i}`, ipv4: `10.10.${i}.2`, ipv6: `fd00:10:${i}::2` },
        configuration: { nodeToNodeMeshEnabled: false },
        peers: [
          { name: "tor4", spec: { peerIP: `10.10.${i}.1`, asNumber: 64512 } },
          { name: "tor6", spec: { peerIP: `fd00:10:${i}::1`, asNumber: 64512 } },
        ],
        blocks: [`10.244.${i}.0/26`, `fd00:10:244:${i}::/122`],
      }),
    ).text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const machine of this.#machines) {
      machine.bird.close();
      await machine.kill();
      execFileSync("ip", ["netns", "delete", `${this.#prefix}${machine.name}`]);
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #machine(name: string): Machine {
    const namespace = `${this.#prefix}${name}`;
    execFileSync("ip", ["netns", "add", namespace]);
    const inside = (...argv: string[]) =>
      execFileSync("ip", ["netns", "exec", namespace, ...argv], { encoding: "utf8" });
    inside(
      "sysctl",
      "-q",
      "-w",
      "net.ipv6.conf.all.forwarding=1",
      "net.ipv4.ip_forward=1",
      "net.ipv6.conf.default.accept_dad=0",
    );
    inside("ip", "link", "set", "lo", "up");
    const configFile = join(this.#directory, `${name}.conf`);
    const controlSocket = join(this.#directory, `${name}.ctl`);
    const machine: Machine & { child?: ChildProcess } = {
      name,
      bird: createBird({ controlSocket, configFile }),
      ip: (...args) => {
        const family = args.some((arg) => arg.includes("::")) ? ["-6"] : [];
        return execFileSync("ip", ["-n", namespace, ...family, ...args], { encoding: "utf8", stdio: "pipe" });
      },
      configFile,
      start: () => {
        const command =
          name === "tor"
            ? ["bird", "-f", "-R", "-c", configFile, "-s", controlSocket]
            : ["sh", entry, configFile, controlSocket];
        // A group of its own, which ends together as the processes of a container do.
        machine.child = spawn("ip", ["netns", "exec", namespace, ...command], {
          stdio: "ignore",
          detached: true,
        });
      },
      kill: async () => {
        const { child } = machine;
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
        process.kill(-child.pid!, "SIGKILL");
        await machine.ended();
      },
      terminate: () => {
        machine.child!.kill("SIGTERM");
        return machine.ended();
      },
      ended: async () => {
        const child = machine.child!;
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
        return child.exitCode;
      },
      children: () => {
        const { pid } = machine.child!;
        return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
          .trim()
          .split(" ")
          .filter((text) => text !== "")
          .map((text) => ({ pid: Number(text), name: readFileSync(`/proc/${text}/comm`, "utf8").trim() }));
      },
      watch: (destination) => {
        const monitor = spawn("ip", ["-n", namespace, "monitor", "route"], {
          stdio: ["ignore", "pipe", "ignore"],
        });
        let text = "";
        monitor.stdout.setEncoding("utf8").on("data", (chunk) => {
          text += chunk;
        });
        return () => {
          monitor.kill("SIGKILL");
          return text.split("\n").filter((line) => line.includes(destination));
        };
      },
    };
    this.#machines.push(machine);
    return machine;
  }
}

/** Looks again every few milliseconds until `look` is satisfied; fails with what was seen last. */
export async function eventually<T>(
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  patience = 30_000,
): Promise<T> {
  const deadline = performance.now() + patience;
  for (;;) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > deadline)
      throw new Error(`not within ${patience} ms; last seen: ${JSON.stringify(seen)}`);
    await delay(5);
  }
}
