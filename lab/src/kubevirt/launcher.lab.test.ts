import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Recording } from "../probe/recording.ts";
import { prepareGuest } from "../qemu/index.ts";
import { applyBridgeBinding } from "./bridge-binding.ts";
import { planOf } from "./faults.ts";
import type { JournalEntry } from "./journal.ts";
import {
  type LauncherMethods,
  type LauncherStatus,
  launcherDirectory,
  launcherSocket,
} from "./launcher-protocol.ts";
import { defaultLimits } from "./migration-monitor.ts";
import { type PodNetwork, readPodNetwork } from "./pod-network.ts";
import { guestAddresses, makePodSwitch, type PodSwitch } from "./pod-switch.ts";
import { connectRpc, type RpcClient } from "./rpc.ts";

const root = mkdtempSync(join(tmpdir(), "kubevirt-"));

interface Launcher {
  readonly process: ChildProcess;
  readonly rpc: RpcClient<LauncherMethods, LauncherStatus>;
  readonly network: PodNetwork;
  status(): LauncherStatus;
}

let pods: PodSwitch;
const launchers: Launcher[] = [];

beforeAll(async () => {
  await prepareGuest();
  pods = makePodSwitch();
});

afterAll(async () => {
  for (const launcher of launchers) {
    launcher.process.kill("SIGKILL");
    await until(
      () => launcher.process.exitCode !== null || launcher.process.signalCode !== null,
      "launcher to end",
    );
  }
  pods[Symbol.dispose]();
  rmSync(root, { recursive: true });
});

test("a guest keeps its addresses and every connection while it moves to another pod", async () => {
  const source = await launch("source");
  await source.rpc.call("start", {
    domain: {
      name: "vm",
      uuid: "6a4f0f4e-0000-4000-8000-000000000001",
      mac: source.network.mac,
      memoryMiB: 128,
      cpus: 2,
      mtu: source.network.mtu,
      ipv6: { address: guestAddresses.ipv6, gateway: "fe80::1" },
    },
    network: source.network,
  });
  for (const host of [guestAddresses.ipv4, `[${guestAddresses.ipv6}]`]) {
    await until(() => guestStatus(host) !== undefined, `the guest to answer on ${host}`);
  }
  const before = guestStatus(guestAddresses.ipv4)!;
  expect(before.addresses).toEqual(expect.arrayContaining([guestAddresses.ipv4, guestAddresses.ipv6]));

  const probes = startProbes();
  await until(() => existsSync(`${probes.output}.ready`), "every probe to hear the guest");

  const target = await launch("target");
  expect(target.network.mac).not.toBe(source.network.mac);
  const plan = planOf("m1", {});
  const sockets = await target.rpc.call("prepareTarget", { uid: "m1", network: target.network, plan });
  await source.rpc.call("migrate", {
    uid: "m1",
    sockets,
    bandwidth: 0,
    limits: defaultLimits,
    plan,
  });
  await until(() => source.status().migration?.endTimestamp !== undefined, "the migration to end");
  expect(source.status()).toMatchObject({ state: "migrated" });
  expect(target.status()).toMatchObject({ state: "running", migration: { role: "target" } });

  const marks = journal();
  const at = (event: JournalEntry["event"]) => BigInt(marks.find((mark) => mark.event === event)!.at);
  const pauseMs = Number(at("resumed") - at("stopped")) / 1e6;
  expect(pauseMs).toBeGreaterThan(0);

  const resumedAt = Number(at("resumed")) / 1e6;
  await until(() => guestStatus(guestAddresses.ipv4) !== undefined, "the guest to answer after the move");
  const recordings = await probes.stop();
  expect(guestStatus(guestAddresses.ipv4)).toMatchObject({ bootId: before.bootId });
  for (const { plan, connection, arrivals } of recordings) {
    expect(
      arrivals.filter(([, when]) => when > resumedAt).length,
      `${plan.name} after the move`,
    ).toBeGreaterThan(0);
    expect(
      connection.map(({ event }) => event),
      plan.name,
    ).toEqual(plan.kind === "udp-echo" ? [] : ["connected"]);
    if (plan.kind === "tcp-from-guest") {
      const numbers = arrivals.map(([sequence]) => sequence);
      expect(numbers, `${plan.name} in order, none missing`).toEqual(
        numbers.map((_, index) => numbers[0]! + index),
      );
    }
  }
  const completed = marks.find((mark) => mark.event === "migration-completed")!;
  console.log(
    `pause ${pauseMs.toFixed(1)} ms, QEMU downtime ${completed.downtimeMs} ms, total ${completed.totalMs} ms`,
  );
});

async function launch(pod: "source" | "target"): Promise<Launcher> {
  const netns = pods.add(pod);
  const network = await readPodNetwork(netns);
  await applyBridgeBinding(netns, network);
  pods.plug(pod);
  const argv = [`--net=${netns}`, "--", process.execPath, join(import.meta.dirname, "launcher.ts")];
  const child = spawn("nsenter", argv, {
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      ...{ POD_UID: pod, POD_NAME: pod, VMI_NAME: "vm", VMI_HOSTNAME: "vm" },
      ...{ FAIRLEAD_LAB_NODE: pod, FAIRLEAD_LAB_KUBEVIRT: root },
    },
  });
  const socket = launcherSocket(launcherDirectory(root, pod));
  await until(() => existsSync(socket), "the launcher to listen");
  const rpc = await connectRpc<LauncherMethods, LauncherStatus>(socket);
  let status: LauncherStatus = { state: "none" };
  rpc.subscribe((event) => {
    status = event;
  });
  const launcher = { process: child, rpc, network, status: () => status };
  launchers.push(launcher);
  return launcher;
}

function guestStatus(host: string): { bootId: string; addresses: string[] } | undefined {
  const argv = [
    `--net=${pods.outside}`,
    "--",
    "busybox",
    "timeout",
    "1",
    "busybox",
    "wget",
    "-qO-",
    `http://${host}/status`,
  ];
  try {
    return JSON.parse(
      execFileSync("nsenter", argv, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch {
    return undefined;
  }
}

function startProbes(): { output: string; stop(): Promise<Recording[]> } {
  const output = join(root, "recordings.json");
  const plans = ([4, 6] as const).flatMap((family) => {
    const address = family === 4 ? guestAddresses.ipv4 : guestAddresses.ipv6;
    const plan = { vantage: "client", family, address } as const;
    return [
      { ...plan, name: `udp${family}`, kind: "udp-echo", port: 7, intervalMs: 1 },
      { ...plan, name: `from${family}`, kind: "tcp-from-guest", port: 9, intervalMs: 10 },
      { ...plan, name: `to${family}`, kind: "tcp-to-guest", port: 7, intervalMs: 10 },
    ];
  });
  writeFileSync(join(root, "plans.json"), JSON.stringify(plans));
  const main = join(import.meta.dirname, "../probe/main.ts");
  const argv = [
    `--net=${pods.outside}`,
    "--",
    process.execPath,
    main,
    "--plans",
    join(root, "plans.json"),
    "--output",
    output,
  ];
  const child = spawn("nsenter", argv, { stdio: "inherit" });
  return {
    output,
    stop: async () => {
      child.kill("SIGTERM");
      await until(() => child.exitCode !== null, "the probes to end");
      return JSON.parse(readFileSync(output, "utf8"));
    },
  };
}

function journal(): JournalEntry[] {
  return readFileSync(join(root, "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited 60 s for ${what}`);
    await delay(20);
  }
}
