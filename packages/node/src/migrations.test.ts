import { describe, expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { createFakeEar, createFakeRoutes, fakeAttachment } from "./fakes.fixture.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import { createMigrations } from "./migrations.ts";
import { createPromoter } from "./promotion.ts";
import { createFakeTimeline } from "./timeline.ts";

const migration = { uid: "m1", createdAt: "2026-01-01T00:00:00Z" };
const target = fakeAttachment("b", { role: "target", migrationUid: "m1" });

function setUp(promote: () => Promise<void> = async () => {}) {
  const clock = createFakeClock();
  const timeline = createFakeTimeline();
  const routes = createFakeRoutes();
  const ear = createFakeEar();
  const memory = createFakeMigrationMemory();
  const states: string[] = [];
  const promoted: unknown[] = [];
  const start = () =>
    createMigrations({
      routes,
      ear,
      memory,
      clock,
      timeline,
      promoter: createPromoter({
        clock,
        timeline,
        workloads: {
          async promote(request) {
            await promote();
            promoted.push(request.pod.name);
            return "owner";
          },
        },
      }),
      convergence: () => 30_000,
      onState: (_, record) => states.push(record.state),
    });
  return { clock, timeline, routes, ear, memory, states, promoted, start, migrations: start() };
}

const eventNames = (timeline: { events: readonly { event: string }[] }) =>
  timeline.events.map(({ event }) => event);

describe("a migration target on this node", () => {
  it.each([
    ["Arrived", "TimeWait", "elevated"],
    ["Elsewhere", "Away", "withdrawn"],
    ["Leaving", "Base", "normal"],
  ] as const)(
    "was heard before %s was told, though nobody noticed: first Live, then %s",
    (type, state, priority) => {
      const { migrations, routes, ear, states, timeline } = setUp();
      migrations.follow(target, migration);
      ear.announceUnnoticed(target);
      migrations.tell(target, { type });
      expect(states).toEqual(["Target", "Live", state]);
      expect(routes.history.map(([, one]) => one)).toEqual([...new Set(["elevated", priority])]);
      expect(eventNames(timeline)).toContain("announcement");
      expect(ear.open.size).toBe(0);
    },
  );

  it("takes in what was heard meanwhile before routes are compared with the kernel's", () => {
    const { migrations, routes, ear, states } = setUp();
    migrations.follow(target, migration);
    migrations.hear();
    expect(states).toEqual(["Target"]);
    ear.announceUnnoticed(target);
    migrations.hear();
    migrations.hear();
    expect(states).toEqual(["Target", "Live"]);
    expect(routes.read(target)).toBe("elevated");
  });

  it("attracts nothing, is elevated by the announcement before anything else happens, and reverts", () => {
    const { migrations, routes, ear, clock, timeline, states } = setUp();
    migrations.follow(target, migration);
    expect(routes.history).toEqual([]);
    ear.announce(target);
    expect(routes.history).toEqual([["cali-b", "elevated"]]);
    expect(ear.open.size).toBe(0);
    migrations.tell(target, { type: "Arrived" });
    clock.advance(29_999);
    expect(routes.read(target)).toBe("elevated");
    clock.advance(1);
    expect(routes.history).toEqual([
      ["cali-b", "elevated"],
      ["cali-b", "normal"],
    ]);
    expect(states).toEqual(["Target", "Live", "TimeWait", "Base"]);
    expect(eventNames(timeline)).toEqual(["announcement", "state", "state", "state", "reverted"]);
  });

  it("is elevated when the route fails to be written down", () => {
    const { migrations, routes, ear, timeline } = setUp();
    migrations.follow(target, migration);
    timeline.record = () => {};
    ear.announce(target);
    expect(routes.read(target)).toBe("elevated");
  });

  it("keeps no route, ear or promotion when the migration fails", () => {
    const { migrations, routes, ear, promoted } = setUp();
    migrations.follow(target, migration);
    migrations.tell(target, { type: "Elsewhere" });
    expect([routes.read(target), ear.open.size, promoted.length]).toEqual(["withdrawn", 0, 0]);
  });

  it("becomes owner of the addresses, however often that must be tried", async () => {
    let failures = 40;
    const { migrations, clock, promoted, timeline } = setUp(async () => {
      if (failures-- > 0) throw new Error("API server is not there");
    });
    migrations.follow(target, migration);
    migrations.tell(target, { type: "Arrived" });
    for (let i = 0; i < 60 && promoted.length === 0; i++) {
      await new Promise(setImmediate);
      clock.advance(30_000);
    }
    expect(promoted).toEqual(["b"]);
    expect(timeline.events.filter(({ event }) => event === "promotion-failed")).toHaveLength(40);
    expect(timeline.events.at(-1)).toMatchObject({ event: "promoted", attempts: 41 });
  });
});

describe("after a restart", () => {
  it("in Live the route stays elevated without a moment of absence", () => {
    const { migrations, routes, ear, start } = setUp();
    migrations.follow(target, migration);
    ear.announce(target);
    migrations.close();
    const again = start();
    again.follow(target, migration);
    expect(again.recordOf(target)?.state).toBe("Live");
    expect(routes.history).toEqual([["cali-b", "elevated"]]);
  });

  it("in TimeWait only the rest of the convergence time is waited", () => {
    const { migrations, routes, clock, start } = setUp();
    migrations.follow(target, migration);
    migrations.tell(target, { type: "Arrived" });
    clock.advance(20_000);
    migrations.close();
    start().follow(target, migration);
    clock.advance(9_999);
    expect(routes.read(target)).toBe("elevated");
    clock.advance(1);
    expect(routes.read(target)).toBe("normal");
  });

  it("in Target it listens again and still has no route", () => {
    const { migrations, routes, ear, start } = setUp();
    migrations.follow(target, migration);
    migrations.close();
    expect(ear.open.size).toBe(0);
    start().follow(target, migration);
    expect([routes.history.length, ear.open.size]).toEqual([0, 1]);
  });

  it("without its memory it goes on from the kernel's routes", () => {
    const { migrations, routes, ear, memory, start } = setUp();
    migrations.follow(target, migration);
    ear.announce(target);
    migrations.close();
    memory.forget(target);
    const again = start();
    again.follow(target, migration);
    expect(again.recordOf(target)?.state).toBe("Live");
    expect(routes.history).toHaveLength(1);
  });
});

it("a new container of the same pod starts afresh, and the old one's removal does not touch it", () => {
  const { migrations, routes } = setUp();
  const old = fakeAttachment("a");
  const fresh = { ...old, containerId: "container-a2", generation: 2 };
  migrations.follow(old);
  migrations.follow(fresh);
  migrations.drop(old);
  expect(routes.read(fresh)).toBe("normal");
  migrations.drop(fresh);
  expect(routes.kernel.size).toBe(0);
});
