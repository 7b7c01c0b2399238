import { describe, expect, it } from "vitest";
import { createFakeClock } from "./clock.ts";
import { createFakeEar, createFakeRivals, createFakeRoutes, fakeAttachment } from "./fakes.fixture.ts";
import type { Rivalry } from "./migration-components.ts";
import { createFakeMigrationMemory } from "./migration-files.ts";
import { createMigrations } from "./migrations.ts";
import { createPromoter } from "./promotion.ts";
import { createFakeTimeline } from "./timeline.ts";

const migration = { uid: "m1", createdAt: "2026-01-01T00:00:00Z" };
const named = { type: "Named", migration } as const;
const claim = { migration: "m1", revision: "7" };
const target = fakeAttachment("b", { role: "target", migrationUid: "m1" });

function setUp(promote: () => Promise<"owner" | "elsewhere"> = async () => "owner") {
  const clock = createFakeClock();
  const timeline = createFakeTimeline();
  const routes = createFakeRoutes();
  const ear = createFakeEar();
  const rivals = createFakeRivals();
  const memory = createFakeMigrationMemory();
  const states: string[] = [];
  const asked: string[] = [];
  const promoted: string[] = [];
  const start = () =>
    createMigrations({
      routes,
      ear,
      rivals,
      memory,
      clock,
      timeline,
      promoter: createPromoter({
        nodeName: "node-b",
        clock,
        timeline,
        workloads: {
          async promote({ pod }) {
            asked.push(pod.name);
            const outcome = await promote();
            if (outcome === "owner") promoted.push(pod.name);
            return outcome;
          },
        },
      }),
      convergence: () => 30_000,
      onState: (_, record) => states.push(record.state),
    });
  const migrations = start();
  /** ADD has made the target, and KubeVirt has named it. */
  const expectGuest = () => {
    migrations.follow(target, migration);
    migrations.tell(target, named);
  };
  /** The clock goes on, and whoever looked for rivals gets an answer. */
  const wait = async (milliseconds: number) => {
    clock.advance(milliseconds);
    await settled();
  };
  const all = { clock, timeline, routes, ear, rivals, memory, states, asked, promoted };
  return { ...all, start, expectGuest, wait, migrations };
}

/** Everything that was asked is answered. */
const settled = () => new Promise(setImmediate);

const eventNames = (timeline: { events: readonly { event: string }[] }) =>
  timeline.events.map(({ event }) => event);

describe("a pod that says it is a migration's target", () => {
  it("is heard by nobody before KubeVirt has named it, whatever it says, and has no route", () => {
    const { migrations, routes, ear, states } = setUp();
    migrations.follow(target, migration);
    migrations.tell(target, { type: "Expected", migration });
    ear.announce(target);
    expect([states, ear.open.size, routes.history]).toEqual([["Candidate"], 0, []]);
  });

  it("is heard from the moment it is named, and no longer when another is named in its place", () => {
    const { migrations, ear, states, expectGuest } = setUp();
    expectGuest();
    expect(ear.open.size).toBe(1);
    migrations.tell(target, { type: "Elsewhere" });
    ear.announce(target);
    expect([states, ear.open.size]).toEqual([["Candidate", "Target", "Away"], 0]);
  });
});

describe("a migration target on this node", () => {
  it.each([
    ["Arrived", ["TimeWait"], ["elevated"]],
    ["Elsewhere", ["Away"], ["elevated", "withdrawn"]],
    ["Leaving", ["TimeWait", "Base"], ["elevated", "normal"]],
  ] as const)(
    "was heard before %s was told, though nobody noticed: first Live, then what follows",
    async (type, after, priorities) => {
      const { migrations, routes, ear, states, timeline, expectGuest } = setUp();
      expectGuest();
      ear.announceUnnoticed(target);
      migrations.tell(target, { type });
      await settled();
      expect(states).toEqual(["Candidate", "Target", "Live", ...after]);
      expect(routes.history.map(([, one]) => one)).toEqual(priorities);
      expect(eventNames(timeline)).toContain("announcement");
      expect(ear.open.size).toBe(0);
    },
  );

  it("takes in what was heard meanwhile before routes are compared with the kernel's", () => {
    const { migrations, routes, ear, states, expectGuest } = setUp();
    expectGuest();
    migrations.hear();
    expect(states.at(-1)).toBe("Target");
    ear.announceUnnoticed(target);
    migrations.hear();
    migrations.hear();
    expect(states).toEqual(["Candidate", "Target", "Live"]);
    expect(routes.read(target)).toBe("elevated");
  });

  it("attracts nothing, is elevated by the announcement before anything else happens, and reverts", async () => {
    const { migrations, routes, ear, timeline, states, expectGuest, wait } = setUp();
    expectGuest();
    expect(routes.history).toEqual([]);
    ear.announce(target);
    expect(routes.history).toEqual([["cali-b", "elevated"]]);
    expect(ear.open.size).toBe(0);
    migrations.tell(target, { type: "Arrived" });
    await settled();
    await wait(29_999);
    expect(routes.read(target)).toBe("elevated");
    await wait(1);
    expect(routes.history).toEqual([
      ["cali-b", "elevated"],
      ["cali-b", "normal"],
    ]);
    expect(states).toEqual(["Candidate", "Target", "Live", "TimeWait", "Base"]);
    expect(eventNames(timeline)).toEqual(["state", "announcement", "state", "state", "state", "reverted"]);
  });

  it("is elevated when the route fails to be written down", () => {
    const { routes, ear, timeline, expectGuest } = setUp();
    expectGuest();
    timeline.record = () => {};
    ear.announce(target);
    expect(routes.read(target)).toBe("elevated");
  });

  it("keeps no route, ear or promotion when the migration fails", () => {
    const { migrations, routes, ear, asked, expectGuest } = setUp();
    expectGuest();
    migrations.tell(target, { type: "Elsewhere" });
    expect([routes.read(target), ear.open.size, asked.length]).toEqual(["withdrawn", 0, 0]);
  });
});

describe("while others announce the guest's addresses", () => {
  it("what is planned for the announcement is better than that, asked for before the guest comes", async () => {
    const { routes, ear, rivals, expectGuest } = setUp();
    rivals.known.set("cali-b", { rank: 1, isPresent: true });
    expectGuest();
    await settled();
    expect([ear.open.size, ear.ranks.get("cali-b")]).toEqual([1, 1]);
    ear.announce(target);
    expect([routes.read(target), routes.rankOf(target)]).toEqual(["elevated", 1]);
  });

  it("a guest that was heard while another rank was being planned keeps the one it was heard with, then gets the better one", async () => {
    const { routes, ear, rivals, states, expectGuest } = setUp();
    rivals.known.set("cali-b", { rank: 2, isPresent: true });
    expectGuest();
    ear.announceUnnoticed(target);
    await settled();
    expect(states.at(-1)).toBe("Live");
    expect(routes.rankOf(target)).toBe(2);
    expect(routes.history).toEqual([["cali-b", "elevated"]]);
  });

  it("elevated routes become better when it is known later, and never worse", async () => {
    const { routes, ear, rivals, expectGuest, wait } = setUp();
    expectGuest();
    ear.announce(target);
    await settled();
    expect(routes.rankOf(target)).toBe(0);
    rivals.known.set("cali-b", { rank: 3, isPresent: true });
    await wait(5_000);
    expect(routes.rankOf(target)).toBe(3);
    rivals.known.set("cali-b", { rank: 1, isPresent: true });
    await wait(5_000);
    expect(routes.rankOf(target)).toBe(3);
  });

  it("the elevated priority stays, however long, and ends when nobody else does", async () => {
    const { migrations, routes, rivals, expectGuest, wait } = setUp();
    rivals.known.set("cali-b", { rank: 0, isPresent: true });
    expectGuest();
    migrations.tell(target, { type: "Arrived" });
    await settled();
    for (let i = 0; i < 100; i++) await wait(30_000);
    expect(routes.read(target)).toBe("elevated");
    rivals.known.clear();
    await wait(5_000);
    expect(routes.read(target)).toBe("normal");
  });

  it("a guest that leaves again within the convergence time is lowered at once only where nobody else is", async () => {
    for (const isPresent of [false, true]) {
      const { migrations, routes, rivals, expectGuest } = setUp();
      rivals.known.set("cali-b", { rank: 0, isPresent });
      expectGuest();
      migrations.tell(target, { type: "Arrived" });
      migrations.tell(target, { type: "Leaving" });
      await settled();
      expect(routes.read(target)).toBe(isPresent ? "elevated" : "normal");
    }
  });

  it("an answer to what was asked before the guest came does not end the elevated priority", async () => {
    const { migrations, routes, rivals, expectGuest } = setUp();
    const first = Promise.withResolvers<Rivalry>();
    const { look } = rivals;
    let asked = 0;
    rivals.look = (attachment) => (++asked === 1 ? first.promise : look(attachment));
    rivals.known.set("cali-b", { rank: 1, isPresent: true });
    expectGuest();
    migrations.tell(target, { type: "Arrived" });
    migrations.tell(target, { type: "Leaving" });
    first.resolve({ rank: 0, isPresent: false });
    await settled();
    expect([routes.read(target), routes.rankOf(target), asked]).toEqual(["elevated", 1, 2]);
  });

  it("an answer that comes when the endpoint is gone, or another one, changes nothing", async () => {
    const { migrations, routes, rivals, expectGuest } = setUp();
    rivals.known.set("cali-b", { rank: 5, isPresent: false });
    expectGuest();
    migrations.tell(target, { type: "Arrived" });
    migrations.drop(target);
    await settled();
    expect([routes.kernel.size, migrations.list()]).toEqual([0, []]);
  });
});

describe("who owns the addresses", () => {
  const arrived = { type: "Arrived", claim } as const;

  it("is told however often that must be tried", async () => {
    let failures = 40;
    const { migrations, promoted, timeline, expectGuest, wait } = setUp(async () => {
      if (failures-- > 0) throw new Error("API server is not there");
      return "owner";
    });
    expectGuest();
    migrations.tell(target, arrived);
    await settled();
    for (let i = 0; i < 60 && promoted.length === 0; i++) await wait(30_000);
    expect(promoted).toEqual(["b"]);
    expect(timeline.events.filter(({ event }) => event === "promotion-failed")).toHaveLength(40);
    expect(timeline.events.findLast(({ event }) => event === "promoted")).toMatchObject({ attempts: 41 });
  });

  it("is asked for once, however often the API says the same, and again for the next migration", async () => {
    const { migrations, asked, expectGuest } = setUp();
    expectGuest();
    for (const revision of ["7", "8", "9"]) {
      migrations.tell(target, { type: "Arrived", claim: { ...claim, revision } });
      await settled();
    }
    expect(asked).toEqual(["b"]);
    migrations.tell(target, { type: "Leaving", claim: { migration: "m2", revision: "10" } });
    await settled();
    expect(asked).toEqual(["b", "b"]);
  });

  it("where KubeVirt itself says elsewhere, it is asked for again only when something new is known", async () => {
    let outcome: "owner" | "elsewhere" = "elsewhere";
    const { migrations, asked, promoted, expectGuest, wait } = setUp(async () => outcome);
    expectGuest();
    migrations.tell(target, arrived);
    await settled();
    migrations.tell(target, arrived);
    await wait(60_000);
    expect([asked.length, promoted.length]).toEqual([1, 0]);
    outcome = "owner";
    migrations.tell(target, { type: "Arrived", claim: { ...claim, revision: "8" } });
    await settled();
    expect([asked.length, promoted.length]).toEqual([2, 1]);
  });

  it.each([{ type: "Elsewhere" }, named, { type: "Expected", migration }, { type: "Switched" }] as const)(
    "an attempt ends when the API says $type",
    async (input) => {
      const { migrations, asked, expectGuest, wait } = setUp(async () => {
        throw new Error("API server is not there");
      });
      expectGuest();
      migrations.tell(target, arrived);
      await settled();
      migrations.tell(target, input);
      const before = asked.length;
      await wait(60_000);
      expect(asked.length).toBe(before);
    },
  );
});

describe("after a restart", () => {
  it.each(["TimeWait", "Base", "Live"] as const)(
    "in %s nobody is made an owner by what is remembered, only by what the API says now",
    async (state) => {
      const { routes, memory, asked, start } = setUp();
      memory.save(target, { state, epoch: 1, migration });
      routes.kernel.set("cali-b", state === "Base" ? "normal" : "elevated");
      const again = start();
      again.resume(target, migration);
      await settled();
      expect(asked).toEqual([]);
      again.tell(target, { type: "Arrived", claim });
      await settled();
      expect(asked).toEqual(["b"]);
    },
  );

  it("a source whose guest has left while nobody looked is no owner, has no route, and asks for nothing", async () => {
    const { routes, memory, asked, start } = setUp();
    memory.save(target, { state: "Base", epoch: 1, migration });
    routes.kernel.set("cali-b", "normal");
    const again = start();
    again.resume(target, migration);
    again.tell(target, { type: "Elsewhere" });
    await settled();
    expect([routes.read(target), asked]).toEqual(["withdrawn", []]);
  });

  it("a route that had been taken away does not come back by what was written before", () => {
    const { routes, memory, start } = setUp();
    memory.save(target, { state: "Base", epoch: 1, migration });
    routes.kernel.set("cali-b", "withdrawn");
    const again = start();
    again.resume(target, migration);
    expect([routes.history, routes.read(target)]).toEqual([[], "withdrawn"]);
    again.tell(target, { type: "Arrived" });
    expect(routes.read(target)).toBe("elevated");
  });

  it("an ordinary pod has its routes again, also where the kernel lost them", () => {
    const { vm: _, ...ordinary } = fakeAttachment("web");
    const { routes, start } = setUp();
    start().resume(ordinary);
    expect(routes.read(ordinary)).toBe("normal");
  });

  it("in Live the route stays elevated without a moment of absence, and as good as it was", () => {
    const { migrations, routes, ear, start, expectGuest } = setUp();
    expectGuest();
    ear.announce(target);
    routes.set(target, "elevated", { rank: 4 });
    migrations.close();
    const again = start();
    again.resume(target, migration);
    expect(again.recordOf(target)?.state).toBe("Live");
    expect([routes.history, routes.rankOf(target)]).toEqual([[["cali-b", "elevated"]], 4]);
  });

  it("in TimeWait only the rest of the convergence time is waited", async () => {
    const { migrations, routes, start, expectGuest, wait } = setUp();
    expectGuest();
    migrations.tell(target, { type: "Arrived" });
    await wait(20_000);
    migrations.close();
    start().resume(target, migration);
    await settled();
    await wait(9_999);
    expect(routes.read(target)).toBe("elevated");
    await wait(1);
    expect(routes.read(target)).toBe("normal");
  });

  it("in Target it listens again and still has no route", () => {
    const { migrations, routes, ear, start, expectGuest } = setUp();
    expectGuest();
    migrations.close();
    expect(ear.open.size).toBe(0);
    start().resume(target, migration);
    expect([routes.history.length, ear.open.size]).toEqual([0, 1]);
  });

  it("without its memory it goes on from the kernel's routes", () => {
    const { migrations, routes, ear, memory, start, expectGuest } = setUp();
    expectGuest();
    ear.announce(target);
    migrations.close();
    memory.forget(target);
    const again = start();
    again.resume(target, migration);
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
