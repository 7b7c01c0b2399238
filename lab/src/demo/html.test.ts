import { describe, expect, it } from "vitest";
import { renderHtml } from "./html.ts";
import type { MigrationObservation } from "./observation.ts";
import { reportMigration } from "./report.ts";
import { drawMigration } from "./terminal.ts";

const observation: MigrationObservation = {
  from: "node1",
  to: "node2",
  requestedAt: 0,
  stragglers: 7,
  guest: { stoppedAt: 1000, resumedAt: 1060, totalMs: 700 },
  announcement: { kind: "rarp", at: 1061 },
  routes: [
    { at: 1062, where: "tor", family: 4, change: "added", metric: 512, origin: "bgp", gateway: "10.10.2.2" },
    { at: 1061, where: "node2", family: 4, change: "added", metric: 512, origin: "workload" },
  ],
  targetAddresses: ["10.10.2.2"],
  recordings: [
    {
      plan: {
        name: "client-udp-ipv4",
        vantage: "client",
        family: 4,
        kind: "udp-echo",
        address: "10.244.0.5",
        port: 7,
        intervalMs: 1,
      },
      sent: [0, 1, 2, 3],
      arrivals: [
        [0, 990],
        [1, 999],
        [2, 1064],
        [3, 1070],
      ],
      connection: [],
      bytes: 1,
    },
  ],
  window: { from: 900, to: 1100 },
};
const migration = reportMigration(observation);

describe("renderHtml", () => {
  const report = {
    vm: {
      ipv4: "<b>",
      ipv6: "::",
      addressKept: true,
      keptRunning: true,
      afterRestart: { ipv4: "<b>", ipv6: "::" },
    },
    migrations: [migration],
    versions: { qemu: "7.2" },
  };
  const page = renderHtml(report, [observation]);

  it("asks for nothing from elsewhere and runs nothing", () => {
    expect(page).not.toMatch(/<script|src=|href=|url\(|@import/);
  });

  it("marks the announcement and the change of the ToR's route", () => {
    expect(page).toContain("announcement (rarp) at 1.0 ms");
    expect(page).toContain("ToR forwards to node2 (IPv4) at 2.0 ms");
  });

  it("escapes what came from elsewhere", () => {
    expect(page).toContain("&#60;b&#62;");
  });
});

describe("drawMigration", () => {
  it("shows the pause, the events and each probe's silence on one scale", () => {
    expect(drawMigration(observation, migration)).toMatchInlineSnapshot(`
      "node1 → node2: guest paused 60 ms (QEMU), whole migration 0.7 s
      the ToR never forwarded both families to the target
      7 packets that had come for it where it was were sent after it
      ms from resume          │-150      -100      -50       0         50        100       150       │
      guest paused            │··················████████████········································│
      events                  │                              ▲                                       │
      client-udp-ipv4         │                ░██████████████░░                                     │ gap 90 ms = pause + 30 (×1.50), lost 0
             1.0 ms  announcement (rarp)
             1.0 ms  node2 route metric 512 (IPv4)
             2.0 ms  ToR forwards to node2 (IPv4)"
    `);
  });
});
