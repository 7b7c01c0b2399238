import { describe, expect, it } from "vitest";
import type { RouteChange } from "../probe/route-watch.ts";
import type { MigrationObservation } from "./observation.ts";
import { findBrokenPromises, type Report, reportMigration } from "./report.ts";

const route = (at: number, where: string, family: 4 | 6, rest: Partial<RouteChange> = {}): RouteChange => ({
  at,
  where,
  family,
  change: "added",
  metric: 512,
  origin: "workload",
  ...rest,
});

const plan = {
  name: "client-udp-ipv4",
  vantage: "client",
  family: 4,
  kind: "udp-echo",
  address: "10.244.0.5",
  port: 7,
  intervalMs: 1,
} as const;

/** Guest paused from 1000 to 1060 ms; announced 1 ms later; everything as it should be. */
const good: MigrationObservation = {
  from: "node1",
  to: "node2",
  requestedAt: 0,
  guest: { stoppedAt: 1000, resumedAt: 1060, totalMs: 700 },
  announcement: { kind: "rarp", at: 1061 },
  policyReadyAt: 400,
  stragglers: 7,
  targetAddresses: ["10.10.2.2", "fd00:10:2::2"],
  routes: [
    route(1061.2, "node2", 4),
    route(1061.3, "node2", 6),
    route(1062, "tor", 4, { origin: "bgp", gateway: "10.10.2.2" }),
    route(1063, "tor", 6, { origin: "bgp", gateway: "fd00:10:2::2" }),
    route(31_061, "node2", 4, { metric: 1024 }),
    route(31_062, "node2", 6, { metric: 1024 }),
  ],
  recordings: [
    {
      plan,
      sent: Array.from({ length: 2000 }, (_, sequence) => sequence),
      arrivals: Array.from({ length: 2000 }, (_, sequence) => [sequence, sequence] as const).filter(
        ([, at]) => at < 1000 || at >= 1064,
      ),
      connection: [],
      bytes: 1,
    },
  ],
  window: { from: 0, to: 2000 },
};

const reportOf = (observation: MigrationObservation): Report => ({
  vm: { ipv4: "a", ipv6: "b", addressKept: true, keptRunning: true, afterRestart: { ipv4: "a", ipv6: "b" } },
  migrations: [reportMigration(observation)],
  versions: {},
});

describe("reportMigration", () => {
  it("subtracts the guest's own pause from the longest gap", () => {
    expect(reportMigration(good).probes[0]).toMatchObject({ longestGapMs: 65, networkAddedMs: 5, lost: 64 });
  });

  it("times the kernel and the ToR by the slower family", () => {
    const { elevated, pathRestoredAfterResumeMs, revertedAfterMs } = reportMigration(good);
    expect(elevated.kernelAfterAnnouncementMs).toBeCloseTo(0.3);
    expect(elevated.torFibAfterAnnouncementMs).toBeCloseTo(2);
    expect(pathRestoredAfterResumeMs).toBeCloseTo(3);
    expect(revertedAfterMs).toBeCloseTo(30_000.7);
  });

  it("does not take a route to the source for the ToR's change of mind", () => {
    const routes = good.routes.map((r) => (r.where === "tor" ? { ...r, gateway: "10.10.1.2" } : r));
    expect(reportMigration({ ...good, routes }).elevated.torFibAfterAnnouncementMs).toBeNull();
  });

  it("waits for both families", () => {
    const routes = good.routes.filter((r) => !(r.where === "node2" && r.family === 6));
    expect(reportMigration({ ...good, routes }).elevated.kernelAfterAnnouncementMs).toBeNull();
  });
});

describe("findBrokenPromises", () => {
  it("finds none in a good migration", () => {
    expect(findBrokenPromises(reportOf(good))).toEqual([]);
  });

  it.each<[string, Partial<MigrationObservation>, string]>([
    [
      "a target that attracted traffic early",
      { routes: [route(500, "node2", 4), ...good.routes] },
      "had a route",
    ],
    ["a priority that stayed", { routes: good.routes.slice(0, 4) }, "did not return to normal"],
    ["policy that came late", { policyReadyAt: 1070 }, "before its policy"],
    ["policy that never came", { policyReadyAt: undefined }, "before its policy"],
    ["silence", { announcement: undefined }, "no announcement"],
  ])("reports %s", (_, change, sentence) => {
    expect(findBrokenPromises(reportOf({ ...good, ...change })).join("\n")).toContain(sentence);
  });

  it("reports a guest that started anew on the way", () => {
    const report = reportOf(good);
    const vm = { ...report.vm, keptRunning: false };
    expect(findBrokenPromises({ ...report, vm })).toEqual(["the guest's kernel started anew while it moved"]);
  });

  it("reports an address that changed over a restart", () => {
    const report = reportOf(good);
    const vm = { ...report.vm, afterRestart: { ipv4: "a", ipv6: "c" } };
    expect(findBrokenPromises({ ...report, vm })).toEqual(["after stop and start the VM has a and c"]);
  });
});
