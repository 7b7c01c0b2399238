import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { BgpError } from "./error.ts";
import { eventually, Fabric, type Machine } from "./fabric.fixture.ts";
import { describeRoutesElsewhere } from "./routes-elsewhere.cases.ts";

const families = [
  { family: 4, address: "10.244.1.5", route: "10.244.1.5/32", via: (i: number) => `10.10.${i}.2` },
  {
    family: 6,
    address: "fd00:10:244:1::5",
    route: "fd00:10:244:1::5/128",
    via: (i: number) => `fd00:10:${i}::2`,
  },
] as const;

let fabric: Fabric;
let tor: Machine;
let source: Machine;
let target: Machine;

/** A workload route on a worker, as the agent writes it. */
const add = (machine: Machine, route: string, metric: number) =>
  machine.ip("route", "replace", route, "dev", "cali1", "proto", "80", "metric", String(metric));
const remove = (machine: Machine, route: string) => {
  for (const metric of ["512", "1024"])
    try {
      machine.ip("route", "del", route, "dev", "cali1", "proto", "80", "metric", metric);
    } catch {
      // It was not there.
    }
};
const routesTo = (machine: Machine, route: string) => machine.ip("route", "show", "exact", route);
const torGoesTo = (address: string, via: string) =>
  eventually(
    () => {
      try {
        return tor.ip("route", "get", address);
      } catch (error) {
        // As long as nothing has come to the router, it has no route at all.
        return String(error);
      }
    },
    (text) => text.includes(`via ${via} `),
  );
const established = (machine: Machine) =>
  eventually(
    async () =>
      (await machine.bird.status().catch(() => undefined))?.protocols.filter((p) => p.type === "BGP") ?? [],
    (sessions) => sessions.length === 2 && sessions.every((s) => s.info.startsWith("Established")),
  );
/** BIRD has learned what its neighbours say. */
const recovered = async (machine: Machine) => {
  await established(machine);
  await eventually(
    () => machine.bird.status(),
    ({ state }) => state === "running",
  );
};

beforeAll(async () => {
  fabric = new Fabric();
  tor = fabric.tor;
  [source, target] = fabric.workers as [Machine, Machine];
  for (const [index, worker] of fabric.workers.entries()) {
    expect(await worker.bird.apply(fabric.configuration(index + 1))).toBe("written");
    worker.start();
  }
  await Promise.all(fabric.workers.map(recovered));
});
afterAll(() => fabric?.[Symbol.asyncDispose]());
beforeEach(() => {
  for (const { route } of families) for (const worker of fabric.workers) remove(worker, route);
});

describe.each(families)("IPv$family", ({ address, route, via }) => {
  it("moves traffic to the elevated route and leaves it there when the priority returns to normal", async () => {
    add(source, route, 1024);
    await torGoesTo(address, via(1));
    add(target, route, 512);
    await torGoesTo(address, via(2));
    // On the source the route from afar beats the local workload at rest.
    await eventually(
      () => routesTo(source, route),
      (text) => /^\S+ via .* proto bird metric 1023/.test(text),
    );
    remove(source, route);
    add(target, route, 1024);
    target.ip("route", "del", route, "dev", "cali1", "proto", "80", "metric", "512");
    await eventually(
      () => routesTo(source, route),
      (text) => /^\S+ via .* proto bird metric 1023[^\n]*\n$/.test(text),
    );
    await torGoesTo(address, via(2));
  });

  it("falls back to the block when a workload's route is withdrawn", async () => {
    add(target, route, 512);
    await torGoesTo(address, via(2));
    remove(target, route);
    await torGoesTo(address, via(1));
    expect(routesTo(tor, route)).toBe("");
  });

  it("announces nothing but workloads", async () => {
    const foreign = route.replace("5/", "6/");
    const outside = route.includes("::") ? "fd00:99::1/128" : "10.99.0.1/32";
    source.ip("route", "add", foreign, "dev", "cali1", "proto", "static", "metric", "512");
    source.ip("route", "add", outside, "dev", "cali1", "proto", "80", "metric", "512");
    try {
      // What comes after them has arrived, so they would have as well.
      add(source, route, 512);
      await eventually(
        () => routesTo(tor, route),
        (text) => text.includes(via(1)),
      );
      expect(routesTo(tor, foreign)).toBe("");
      expect(routesTo(tor, outside)).toBe("");
    } finally {
      source.ip("route", "del", foreign, "dev", "cali1", "metric", "512");
      source.ip("route", "del", outside, "dev", "cali1", "metric", "512");
    }
  });

  it("keeps traffic flowing while BIRD is killed and started again", async () => {
    add(target, route, 512);
    await torGoesTo(address, via(2));
    await target.kill();
    target.start();
    await established(target);
    expect(tor.ip("route", "get", address)).toContain(`via ${via(2)} `);
    await eventually(
      () => target.bird.routes(route),
      (routes) => routes.some((r) => r.primary && r.preference === 300 && r.kernelMetric === 512),
    );
  });
});

describe("apply", () => {
  it("does nothing for what already runs and reconfigures for what does not", async () => {
    const text = fabric.configuration(1);
    await source.bird.apply(`${text}# a remark\n`);
    expect(await source.bird.apply(text)).toBe("applied");
    expect(await source.bird.apply(text)).toBe("unchanged");
    await established(source);
  });

  it("refuses a wrong configuration with its line and keeps the old one", async () => {
    const text = fabric.configuration(1);
    await source.bird.apply(text);
    const error = await source.bird.apply(`${text}protocol nonsense {}\n`).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BgpError);
    expect(error).toMatchObject({ code: "Rejected", position: { line: text.split("\n").length } });
    expect(await source.bird.apply(text)).toBe("unchanged");
  });

  it("says where BIRD should be when it does not run", async () => {
    await source.kill();
    // The connection it had is closed first.
    await eventually(
      () => source.bird.status().catch((error: unknown) => error),
      (error) => error instanceof BgpError && error.code === "Unreachable",
    );
    expect(await source.bird.apply(fabric.configuration(1))).toBe("written");
    source.start();
    await established(source);
  });
});

describe("what others announce", () => {
  /** The route of one machine to a destination, the new before the old goes. */
  function set(machine: Machine, route: string, metric: number | undefined): void {
    const present = machine
      .ip("route", "show", "exact", route, "dev", "cali1", "proto", "80")
      .match(/(?<=metric )\d+/g);
    if (metric !== undefined) add(machine, route, metric);
    for (const old of present ?? [])
      if (Number(old) !== metric)
        machine.ip("route", "del", route, "dev", "cali1", "proto", "80", "metric", old);
  }

  // An earlier test has started a BIRD again.
  beforeAll(() => Promise.all(fabric.workers.map(recovered)));

  describeRoutesElsewhere("as a real BIRD knows them behind a route reflector", () => ({
    bird: source.bird,
    setHere: (destination, metric) => set(source, destination, metric),
    setElsewhere: (destination, metric) => set(target, destination, metric),
  }));

  it("is not known while BIRD does not run", async () => {
    await source.kill();
    // The connection it had is closed first.
    await eventually(
      () => source.bird.routesElsewhere(["10.244.7.5/32"]).catch((error: unknown) => error),
      (error) => error instanceof BgpError && error.code === "Unreachable",
    );
    source.start();
    await recovered(source);
    expect(await source.bird.routesElsewhere(["10.244.7.5/32"])).toEqual([]);
  });

  it("of two elevated routes every router takes that of the higher rank, whichever came first", async () => {
    for (const { route, via } of families) {
      add(source, route, 512);
      await eventually(
        () => routesTo(tor, route),
        (text) => text.includes(via(1)),
      );
      expect((await target.bird.routesElsewhere([route])).map(({ metric }) => metric)).toEqual([512]);
      add(target, route, 511);
      await eventually(
        () => routesTo(tor, route),
        (text) => text.includes(via(2)),
      );
      set(target, route, undefined);
      set(source, route, undefined);
    }
  });
});

it("describes routes as BIRD weighs them", async () => {
  add(target, families[0].route, 512);
  const [learned] = await eventually(
    () => source.bird.routes(families[0].route),
    // At first BIRD may not know yet through which interface the next hop is reached.
    (routes) => routes.length === 1 && routes[0]?.interface !== undefined,
  );
  expect(learned).toMatchObject({
    network: families[0].route,
    primary: true,
    preference: 200,
    localPreference: 2147483135,
    interface: "eth1",
  });
  expect(await source.bird.routes("10.250.0.0/24")).toEqual([]);
});
