/**
 * The longest gap a probe sees when a VM moves, less the guest's pause, in the demo; and the same for a guest that moves between two taps of one bridge, with
 * nothing of ours on its way: what the guest itself needs until it answers again, which under emulation is most of it.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { NetworkNamespace } from "../../packages/netlink/src/index.ts";
import { type Bench, quantile } from "../../scripts/bench.ts";
import type { Report } from "../src/demo/report.ts";
import { promptly } from "../src/precedence.ts";
import { now } from "../src/probe/clock.ts";
import type { ProbePlan, Recording } from "../src/probe/recording.ts";
import { computeFigures } from "../src/probe/statistics.ts";
import {
  type Domain,
  type Machine,
  migrate,
  type PreparedGuest,
  prepareGuest,
  receive,
  startMachine,
} from "../src/qemu/index.ts";

const demos = 2;
const moves = 6;
/** Milliseconds the source lives on, as in the lab. */
const confirmation = 300;
const guest = "fd00::2";
const domain: Domain = {
  name: "vm",
  uuid: "6a4f0f4e-0000-4000-8000-000000000003",
  mac: "02:00:00:00:00:03",
  memoryMiB: 128,
  cpus: 2,
  mtu: 1500,
  ipv6: { address: guest, gateway: "fe80::1" },
};
const kinds = {
  "udp echo": { kind: "udp-echo", port: 7, intervalMs: 1 },
  "tcp from vm": { kind: "tcp-from-guest", port: 9, intervalMs: 10 },
  "tcp to vm": { kind: "tcp-to-guest", port: 7, intervalMs: 10 },
} as const;
type Kind = keyof typeof kinds;
/** What the slowest probe of each kind waited beyond the pause, one for each migration, milliseconds. */
type Gaps = Record<Kind, number[]>;

export default async function benchmark(bench: Bench): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-gap-"));
  try {
    const load = loadavg()[0]!.toFixed(1);
    const bare = await onOneBridge(directory);
    const reports = Array.from({ length: demos }, () => playDemo(directory));
    const migrations = reports.flatMap((report) => report.migrations);
    const gaps = gapsOf(migrations);
    bench.say(
      `medians of ${migrations.length} migrations of the demo, and of ${moves} on one bridge with half as many probes; load average before: ${load}`,
    );
    for (const kind of Object.keys(kinds) as Kind[])
      bench.report({
        name: `slowest probe, ${kind}: gap less the guest's pause`,
        value: quantile(gaps[kind], 0.5),
        unit: "ms",
        floor: { name: "QEMU and its guest alone, one bridge", value: quantile(bare[kind], 0.5) },
      });
    bench.report({
      name: "guest's resume to the ToR's routes, both families",
      value: quantile(
        migrations.map((one) => one.pathRestoredAfterResumeMs ?? Number.NaN),
        0.5,
      ),
      unit: "ms",
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function playDemo(directory: string): Report {
  const out = join(directory, "lab");
  const program = join(import.meta.dirname, "..", "src", "demo", "main.ts");
  execFileSync(process.execPath, [program], {
    env: { ...process.env, FAIRLEAD_LAB_OUT: out },
    stdio: ["ignore", "ignore", "pipe"],
  });
  return JSON.parse(readFileSync(join(out, "report.json"), "utf8"));
}

function gapsOf(migrations: Report["migrations"]): Gaps {
  const worst = (kind: Kind) =>
    migrations.map(({ probes }) =>
      Math.max(
        ...probes
          .filter(({ name }) => name.includes(kind === "udp echo" ? "udp" : kind))
          .map(({ networkAddedMs }) => networkAddedMs),
      ),
    );
  return {
    "udp echo": worst("udp echo"),
    "tcp from vm": worst("tcp from vm"),
    "tcp to vm": worst("tcp to vm"),
  };
}

/** A guest that moves to and fro, with two programs that probe it. */
async function onOneBridge(directory: string): Promise<Gaps> {
  const netns = join(directory, "netns");
  NetworkNamespace.createAt(netns).close();
  await using resources = new AsyncDisposableStack();
  resources.defer(() => NetworkNamespace.remove(netns));
  const inside = (...argv: string[]) => void execFileSync("nsenter", [`--net=${netns}`, "--", ...argv]);
  inside("ip", "link", "add", "br0", "type", "bridge");
  for (const address of ["fd00::1/64", "fe80::1/64"])
    inside("ip", "address", "add", address, "dev", "br0", "nodad");
  inside("ip", "link", "set", "br0", "up");
  for (const tap of ["tap0", "tap1"]) {
    inside("ip", "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr");
    inside("ip", "link", "set", tap, "master", "br0", "up");
  }
  const prepared = await prepareGuest();
  const start = (number: number, incoming: boolean) =>
    startMachine({
      ...prepared,
      ...{ domain, netns, incoming },
      tap: `tap${number % 2}`,
      directory: join(directory, `machine${number}`),
    } satisfies Parameters<typeof startMachine>[0] & PreparedGuest);
  let machine: Machine = await start(0, false);
  resources.defer(async () => void (await machine.kill()));
  const probes = [1, 2].map((number) => probe(netns, join(directory, `probe${number}`)));
  for (const { child } of probes) resources.defer(() => void child.kill());
  while (!probes.every(({ output }) => existsSync(`${output}.ready`))) await delay(50);

  const windows: { from: number; to: number; pause: number }[] = [];
  for (let number = 1; number <= moves; number++) {
    const target = await start(number, true);
    const uri = `unix:${join(directory, `memory${number}`)}`;
    const { resumed } = await receive(target.qmp, uri);
    await delay(1_000);
    const from = now();
    const { stoppedAt } = await migrate(machine.qmp, { uri, signal: AbortSignal.timeout(120_000) });
    const pause = Number((await resumed) - stoppedAt) / 1e6;
    await delay(confirmation);
    await machine.kill();
    machine = target;
    await delay(1_000);
    windows.push({ from, to: now(), pause });
  }
  const recordings: Recording[] = [];
  for (const { child, output } of probes) {
    child.kill("SIGTERM");
    await once(child, "exit");
    recordings.push(...JSON.parse(readFileSync(output, "utf8")));
  }
  const worst = ({ kind }: (typeof kinds)[Kind]) =>
    windows.map((window) =>
      Math.max(
        ...recordings
          .filter(({ plan }) => plan.kind === kind)
          .map((recording) => computeFigures(recording, window).longestGapMs - window.pause),
      ),
    );
  return Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, worst(kind)])) as Gaps;
}

function probe(netns: string, output: string): { child: ChildProcess; output: string } {
  const plans = Object.entries(kinds).map(
    ([name, kind]): ProbePlan => ({ ...kind, name, vantage: "client", family: 6, address: guest }),
  );
  writeFileSync(`${output}.plans`, JSON.stringify(plans));
  const program = join(import.meta.dirname, "..", "src", "probe", "main.ts");
  const [command, ...args] = [
    ...promptly(),
    ...["setpriv", "--pdeathsig", "KILL", "--", "nsenter", `--net=${netns}`, "--"],
    ...[process.execPath, program, "--plans", `${output}.plans`, "--output", output],
  ];
  return { child: spawn(command!, args, { stdio: ["ignore", "inherit", "inherit"] }), output };
}
