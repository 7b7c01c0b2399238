import { readFileSync, renameSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BgpError } from "./error.ts";
import { eventually, Fabric, type Machine } from "./fabric.fixture.ts";

const families = [
  { family: 4, address: "10.244.1.5", route: "10.244.1.5/32", via: "10.10.2.2" },
  { family: 6, address: "fd00:10:244:1::5", route: "fd00:10:244:1::5/128", via: "fd00:10:2::2" },
] as const;

let fabric: Fabric;
let tor: Machine;
let worker: Machine;

const sessions = async () =>
  ((await worker.bird.status().catch(() => undefined))?.protocols ?? []).filter(({ type }) => type === "BGP");
const established = () =>
  eventually(sessions, (all) => all.length === 2 && all.every(({ info }) => info.startsWith("Established")));
const torHas = (route: string, via: string) =>
  eventually(
    () => tor.ip("route", "show", "exact", route),
    (text) => text.includes(`via ${via} `),
  );
const birds = () => worker.children().filter(({ name }) => name === "bird");
/** BIRD has learned what the neighbours say, and the neighbour what BIRD says. */
const recovered = async () => {
  await established();
  await eventually(
    () => worker.bird.status(),
    ({ state }) => state === "running",
  );
};

beforeAll(async () => {
  fabric = new Fabric();
  tor = fabric.tor;
  worker = fabric.workers[1]!;
  for (const [index, machine] of fabric.workers.entries()) {
    await machine.bird.apply(fabric.configuration(index + 1));
    machine.start();
  }
  await recovered();
  // Away from their block, so that the router has routes of their own to lose.
  for (const { route, via } of families) {
    worker.ip("route", "replace", route, "dev", "cali1", "proto", "80", "metric", "1024");
    await torHas(route, via);
  }
});
afterAll(() => fabric?.[Symbol.asyncDispose]());

describe("BIRD's way out", () => {
  /** Ends BIRD and starts it again; the router and the worker's kernel must not see a route go, not for a moment. */
  async function expectUnnoticed(end: () => Promise<unknown>): Promise<void> {
    const others = await eventually(
      () => worker.ip("route", "show", "proto", "bird"),
      (text) => text.includes("10.244.1.0/26"),
    );
    const watches = families.flatMap(({ address }) => [tor, worker].map((machine) => machine.watch(address)));
    await end();
    for (const { route, via } of families)
      expect(tor.ip("route", "show", "exact", route)).toContain(`via ${via} `);
    expect(worker.ip("route", "show", "proto", "bird")).toBe(others);
    if (!(await isRunning())) worker.start();
    await recovered();
    // What comes after the neighbour has heard everything has arrived, so an earlier loss would have as well.
    for (const { route, via } of families) {
      worker.ip("route", "replace", mark(route), "dev", "cali1", "proto", "80", "metric", "512");
      await torHas(mark(route), via);
      worker.ip("route", "del", mark(route), "dev", "cali1", "proto", "80", "metric", "512");
    }
    expect(watches.flatMap((end) => end()).filter((line) => line.startsWith("Deleted"))).toEqual([]);
    expect(worker.ip("route", "show", "proto", "bird")).toBe(others);
  }
  const isRunning = () =>
    worker.bird.status().then(
      () => true,
      () => false,
    );
  const mark = (route: string) => route.replace("5/", "7/");

  it("on SIGTERM takes no route from neighbours or kernel, and the next BIRD takes up where it left", () =>
    expectUnnoticed(async () => expect(await worker.terminate()).toBe(0)));

  it("is as quiet when it is killed", () => expectUnnoticed(() => worker.kill()));

  it("is as quiet when a configuration changes all sessions, as that of another release may", () =>
    expectUnnoticed(async () => {
      const configuration = readFileSync(worker.configFile, "utf8");
      const pids = birds();
      const other = configuration.replaceAll(
        "  multihop;",
        "  multihop;\n  keepalive time 20;\n  hold time 60;",
      );
      expect(await worker.bird.apply(other)).toBe("applied");
      expect(birds()).not.toEqual(pids);
      await recovered();
      expect(await worker.bird.apply(configuration)).toBe("applied");
    }));

  it("is as quiet when BIRD hangs and does not obey", () =>
    expectUnnoticed(async () => {
      process.kill(birds()[0]!.pid, "SIGSTOP");
      expect(await worker.terminate()).toBe(0);
    }));

  it("is as quiet when SIGTERM comes just after the start", () =>
    expectUnnoticed(async () => {
      expect(await worker.terminate()).toBe(0);
      worker.start();
      await eventually(
        () => worker.bird.status().catch(() => undefined),
        (status) => status !== undefined,
      );
      expect(await worker.terminate()).toBe(0);
    }));
});

describe("BIRD's way in", () => {
  it("knows the kernel's routes before a session stands, so that End-of-RIB never comes before them", async () => {
    await worker.terminate();
    worker.start();
    for (const { route } of families) {
      const [known, standing] = await eventually(
        async () => [await worker.bird.routes(route).catch(() => []), await sessions()] as const,
        ([routes]) => routes.some(({ kernelMetric }) => kernelMetric === 1024),
      );
      expect(known).not.toEqual([]);
      expect(standing.filter(({ info }) => info.startsWith("Established"))).toEqual([]);
    }
    await recovered();
  });

  it("does not say what others announce before the neighbours have told everything again", async () => {
    await worker.terminate();
    worker.start();
    const routes = families.map(({ route }) => route);
    const first = await eventually(
      () => worker.bird.routesElsewhere(routes).catch(({ code }: BgpError) => code),
      (answer) => answer !== "Unreachable" && answer !== "Closed",
    );
    expect(first).toBe("Recovering");
    await recovered();
    expect(await worker.bird.routesElsewhere(routes)).toEqual([]);
  });

  /** Takes the configuration away while `work` runs, as on a node where no agent has written one. */
  async function withoutConfiguration(work: (kept: string) => Promise<void>): Promise<void> {
    const { configFile } = worker;
    await worker.terminate();
    renameSync(configFile, `${configFile}.kept`);
    await work(readFileSync(`${configFile}.kept`, "utf8"));
    renameSync(`${configFile}.kept`, configFile);
  }
  const waiting = () =>
    eventually(
      () => worker.children().map(({ name }) => name),
      (names) => names.includes("sleep"),
    );

  it("waits on a fresh node until there is a configuration", () =>
    withoutConfiguration(async (configuration) => {
      worker.start();
      await waiting();
      expect(await worker.bird.apply(configuration)).toBe("written");
      await recovered();
    }));

  it("ends when it is told to while it waits", () =>
    withoutConfiguration(async () => {
      worker.start();
      await waiting();
      expect(await worker.terminate()).toBe(0);
    }));

  it("ends with BIRD's status when BIRD refuses its configuration", () =>
    withoutConfiguration(async () => {
      await worker.bird.apply("nonsense");
      worker.start();
      expect(await worker.ended()).toBe(1);
    }));
});
