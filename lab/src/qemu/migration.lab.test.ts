import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { NetworkNamespace } from "@fairlead/netlink";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  type Arrival,
  type Domain,
  type Machine,
  type MigrationResult,
  migrate,
  prepareGuest,
  type QmpClient,
  receive,
  startMachine,
} from "./index.ts";

const directory = mkdtempSync(join(tmpdir(), "fairlead-migration-"));
const netns = join(directory, "netns");
const guestAddress = "fd00::2";
const domain: Domain = {
  name: "vm",
  uuid: "6a4f0f4e-0000-4000-8000-000000000002",
  mac: "02:00:00:00:00:02",
  memoryMiB: 128,
  cpus: 2,
  mtu: 1500,
  ipv6: { address: guestAddress, gateway: "fe80::1" },
};
const pageSize = 4096;
/** Bytes a second: slow enough for several passes over what the guest writes meanwhile. */
const bandwidth = 100_000_000;
let machines: Machine[] = [];
let sender: ChildProcess | undefined;

beforeAll(() => {
  NetworkNamespace.createAt(netns).close();
  for (const tap of ["tap0", "tap1"]) inside("ip", "tuntap", "add", "dev", tap, "mode", "tap", "vnet_hdr");
  inside("ip", "address", "add", "fd00::1", "dev", "tap0", "nodad");
  inside("ip", "link", "set", "tap0", "up");
  inside("ip", "route", "add", guestAddress, "dev", "tap0");
});

afterEach(async () => {
  sender?.kill();
  for (const machine of machines) await machine.kill();
  machines = [];
});

afterAll(() => {
  NetworkNamespace.remove(netns);
  rmSync(directory, { recursive: true });
});

test("the target has every byte the source had when it stopped", async () => {
  const source = await start("source", "tap0");
  sender = await keepBusy();
  for (const attempt of [1, 2, 3]) {
    const target = await start(`target${attempt}`, "tap1", true);
    const uri = `unix:${join(directory, `memory${attempt}`)}`;
    await target.qmp.execute("migrate-set-capabilities", {
      capabilities: [
        { capability: "events", state: true },
        { capability: "late-block-activate", state: true },
      ],
    });
    // Told to stop before anything has come, QEMU does not start the processors when all has.
    await target.qmp.execute("stop");
    await target.qmp.execute("migrate-incoming", { uri });
    const arrived = target.qmp.waitFor(
      ({ event, data }) => event === "MIGRATION" && data.status === "completed",
      AbortSignal.timeout(120_000),
    );
    const cost = await migrate(source.qmp, { uri, bandwidth, signal: AbortSignal.timeout(120_000) });
    await arrived;
    expect(cost.downtimeMs).toBeGreaterThan(0);
    expect(cost.totalMs).toBeGreaterThanOrEqual(cost.downtimeMs);
    expect(await differingPages(source, target)).toEqual([]);
    await target.kill();
    await source.qmp.execute("cont");
  }
});

test("in a post-copy the guest runs on the target while its memory still follows", async () => {
  const { target, moved, arrival } = await leaveEarly(20_000_000);
  const resumedAt = await arrival.resumed;
  expect(await target.qmp.execute("query-migrate")).toMatchObject({ status: "postcopy-active" });
  const { stoppedAt, totalMs, downtimeMs } = await moved;
  await arrival.completed;
  expect(resumedAt).toBeGreaterThan(stoppedAt);
  expect(totalMs).toBeGreaterThan(downtimeMs);
  expect(await target.qmp.execute("query-status")).toMatchObject({ running: true });
});

test("a post-copy whose stream breaks loses the guest, and the source does not run it again", async () => {
  const { source, moved, arrival } = await leaveEarly(1_000_000);
  await arrival.resumed;
  await source.qmp.execute("migrate-pause");
  await expect(moved).rejects.toMatchObject({ code: "GuestLost" });
  await expect(arrival.completed).rejects.toMatchObject({ code: "GuestLost" });
  expect(await source.qmp.execute("query-status")).toMatchObject({ running: false });
});

/** Switches a busy guest to post-copy as soon as its copy has begun. */
async function leaveEarly(
  postCopyBandwidth: number,
): Promise<{ source: Machine; target: Machine; moved: Promise<MigrationResult>; arrival: Arrival }> {
  const source = await start("leaver", "tap0");
  sender = await keepBusy();
  const target = await start("post-copy", "tap1", true);
  const uri = `unix:${join(directory, `post-copy${postCopyBandwidth}`)}`;
  const arrival = await receive(target.qmp, uri, { postCopy: true });
  const leaves = new AbortController();
  const moved = migrate(source.qmp, {
    uri,
    bandwidth: 10_000_000,
    signal: AbortSignal.timeout(120_000),
    onCopying: () => leaves.abort(),
    postCopy: { from: leaves.signal, bandwidth: postCopyBandwidth },
  });
  moved.catch(() => {});
  return { source, target, moved, arrival };
}

async function start(name: string, tap: string, incoming = false): Promise<Machine> {
  const machine = await startMachine({
    ...(await prepareGuest()),
    ...{ domain, tap, netns, incoming },
    directory: join(directory, name),
  });
  machines.push(machine);
  return machine;
}

/** Sends the guest some thousand datagrams a second: it writes memory here and there, and answers. Resolves at the first answer. */
async function keepBusy(): Promise<ChildProcess> {
  const program = `
    const socket = require("node:dgram").createSocket("udp6");
    const datagram = Buffer.alloc(32);
    setInterval(() => {
      for (let i = 0; i < 8; i++) socket.send(datagram, 7, "${guestAddress}", () => {});
    }, 1);
    socket.once("message", () => process.stdout.write("answered"));
  `;
  const argv = ["setpriv", "--pdeathsig", "KILL", "--", process.execPath, "--eval", program];
  const sender = spawn("nsenter", [`--net=${netns}`, "--", ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(sender.stdout!, "data");
  return sender;
}

/** Numbers of the pages of guest memory that are not the same in two machines that stand still. */
async function differingPages(one: Machine, other: Machine): Promise<number[]> {
  const [a, b] = [await readMemory(one.qmp, "one"), await readMemory(other.qmp, "other")];
  const pages = Array.from({ length: a.length / pageSize }, (_, page) => page);
  return pages.filter((page) => {
    const [from, to] = [page * pageSize, (page + 1) * pageSize];
    return a.compare(b, from, to, from, to) !== 0;
  });
}

async function readMemory(qmp: QmpClient, name: string): Promise<Buffer> {
  const filename = join(directory, name);
  const memory = await qmp.execute<{ "base-memory": number }>("query-memory-size-summary");
  await qmp.execute("pmemsave", { val: 0, size: memory["base-memory"], filename });
  return readFileSync(filename);
}

function inside(...argv: string[]): void {
  execFileSync("nsenter", [`--net=${netns}`, "--", ...argv]);
}
