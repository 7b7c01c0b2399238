/**
 * `lab up` as a user waits for it, warm: guest image, KVM's answer and compiled sources are in their caches. The floor is the sum of what its parts wait
 * for whatever we write: namespaces for every machine, a bare Node.js for every program on all processors, and two BIRDs that find each other.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Fabric } from "../../packages/bgp/src/fabric.fixture.ts";
import { type Bench, quantile } from "../../scripts/bench.ts";
import type { LabStatus } from "../src/control/protocol.ts";
import { labCommand } from "../src/host/trial.ts";

const rounds = 3;

interface Start {
  readonly seconds: number;
  readonly steps: Readonly<Record<string, number>>;
  readonly status: LabStatus;
}

export default async function benchmark(bench: Bench): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-lab-up-"));
  const lab = (...args: string[]): string => {
    const [program, ...words] = labCommand(...args);
    const env = { ...process.env, FAIRLEAD_LAB_OUT: directory };
    const { status, stdout, stderr } = spawnSync(program, words, { encoding: "utf8", env });
    if (status !== 0) throw new Error(`lab ${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  const upAndDown = (): Start => {
    try {
      return JSON.parse(lab("up", "--json"));
    } finally {
      lab("down");
    }
  };
  try {
    upAndDown();
    const load = loadavg()[0]!.toFixed(1);
    const starts = Array.from({ length: rounds }, upAndDown);
    const { nodes, processes } = starts[0]!.status;
    // BIRD is no Node.js program; `lab up` and the lab's first process are.
    const programs = processes.filter(({ name }) => !name.endsWith("/bird")).length + 2;
    const floors = {
      namespaces: namespaces(nodes.length),
      programs: await bareNode(programs),
      sessions: await bareSessions(),
    };
    bench.say(`median of ${rounds}; load average before: ${load}`);
    bench.report({
      name: "lab up, three workers, router and client",
      value: quantile(
        starts.map(({ seconds }) => seconds * 1e3),
        0.5,
      ),
      unit: "ms",
      floor: {
        name: "namespaces + bare Node.js programs + BGP of BIRD alone",
        value: floors.namespaces + floors.programs + floors.sessions,
      },
    });
    const step = (name: string, floor?: { name: string; value: number }) =>
      bench.report({
        name: `lab up: ${name}`,
        value: quantile(
          starts.map(({ steps }) => steps[name] ?? Number.NaN),
          0.5,
        ),
        unit: "ms",
        ...(floor && { floor }),
      });
    step("machines and links", { name: `${nodes.length} x unshare`, value: floors.namespaces });
    step("API server");
    step("objects of deploy/ and lab/manifests/");
    step("workers", { name: `${programs} bare Node.js programs`, value: floors.programs });
    step("BGP sessions", { name: "two BIRDs, start to Established", value: floors.sessions });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Milliseconds for the namespaces of some machines, one after another. */
function namespaces(count: number): number {
  const began = performance.now();
  for (let i = 0; i < count; i++) spawnSync("unshare", ["--net", "--mount", "--uts", "true"]);
  return performance.now() - began;
}

/** Milliseconds in which this machine starts and ends some programs of Node.js that do nothing, as many at once as it has processors. */
async function bareNode(count: number): Promise<number> {
  let left = count;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: availableParallelism() }, async () => {
      while (left-- > 0) await once(spawn(process.execPath, ["-e", "0"], { stdio: "ignore" }), "exit");
    }),
  );
  return performance.now() - began;
}

/** Milliseconds from the start of a configured BIRD until its sessions with a running one stand. It waits one second before its first attempt. */
async function bareSessions(): Promise<number> {
  await using fabric = new Fabric();
  const worker = fabric.workers[0]!;
  await worker.bird.apply(fabric.configuration(1));
  const began = performance.now();
  worker.start();
  for (;;) {
    const sessions = await worker.bird.status().then(
      ({ protocols }) => protocols.filter(({ type }) => type === "BGP"),
      () => [],
    );
    if (sessions.length > 0 && sessions.every(({ info }) => info === "Established"))
      return performance.now() - began;
    await delay(5);
  }
}
