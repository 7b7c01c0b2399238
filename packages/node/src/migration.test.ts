import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  advance,
  consequences,
  initialRecord,
  type MigrationInput,
  type MigrationRecord,
  type MigrationState,
  restoreRecord,
  transitions,
} from "./migration.ts";

const options = { now: 1_000_000, convergence: 30_000 };
const first = { uid: "m1", createdAt: "2026-01-01T00:00:00Z" };
const second = { uid: "m2", createdAt: "2026-01-01T00:00:00Z" };
const older = { uid: "m0", createdAt: "2025-12-31T00:00:00Z" };

const play = (record: MigrationRecord, ...inputs: MigrationInput[]) =>
  inputs.reduce((current, input) => advance(current, input, options), record);

const migrations = fc
  .record({ uid: fc.constantFrom("m0", "m1", "m2", "m3"), hour: fc.nat(3) })
  .map(({ uid, hour }) => ({
    uid,
    createdAt: `2026-01-01T0${hour}:00:00Z`,
  }));
const inputs: fc.Arbitrary<MigrationInput> = fc.oneof(
  migrations.map((migration) => ({ type: "Expected" as const, migration })),
  fc.nat(4).map((epoch) => ({ type: "Heard" as const, epoch })),
  fc.nat(4).map((epoch) => ({ type: "Settled" as const, epoch })),
  migrations.map((migration) => ({ type: "Named" as const, migration })),
  fc.constantFrom<MigrationInput>(
    { type: "Switched" },
    { type: "Arrived" },
    { type: "Leaving" },
    { type: "Elsewhere" },
  ),
);

describe("a migration target", () => {
  const candidate = initialRecord(first);
  const target = play(candidate, { type: "Named", migration: first });

  it("hears nothing until KubeVirt has named it, and goes on when the naming is missing for a moment", () => {
    expect([candidate, target].map(({ state }) => [state, consequences[state].listens])).toEqual([
      ["Candidate", false],
      ["Target", true],
    ]);
    expect(target.epoch).toBe(candidate.epoch);
    expect(play(candidate, { type: "Heard", epoch: 1 })).toBe(candidate);
    expect(play(target, { type: "Expected", migration: first })).toBe(target);
    expect(play(target, { type: "Expected", migration: second })).toMatchObject({
      state: "Candidate",
      epoch: 2,
    });
  });

  it("goes from no route over elevated to normal", () => {
    const live = play(target, { type: "Heard", epoch: 1 });
    const waiting = play(live, { type: "Arrived" });
    const base = play(waiting, { type: "Settled", epoch: 1 });
    expect([target, live, waiting, base].map(({ state }) => consequences[state].routes)).toEqual([
      "withdrawn",
      "elevated",
      "elevated",
      "normal",
    ]);
    expect(waiting.until).toBe(1_030_000);
  });

  it("whose announcement was missed is elevated by the API's word", () =>
    expect(play(target, { type: "Arrived" }).state).toBe("TimeWait"));

  it.each([
    ["was heard", [{ type: "Heard", epoch: 1 }]],
    ["was missed", []],
  ] satisfies [string, MigrationInput[]][])(
    "whose guest %s stays elevated while the guest's memory follows: the source still has its route",
    (_, heard) => {
      const switched = play(target, ...heard, { type: "Switched" });
      expect(switched).toMatchObject({ state: "Live" });
      expect(switched.until).toBeUndefined();
      expect(play(switched, { type: "Arrived" })).toMatchObject({ state: "TimeWait", until: 1_030_000 });
    },
  );

  it.each(["Target", "Live", "TimeWait"] as const)("that fails in %s keeps no route", (state) =>
    expect(consequences[play({ ...target, state }, { type: "Elsewhere" }).state].routes).toBe("withdrawn"),
  );

  it("ignores an announcement of an earlier epoch", () =>
    expect(play(target, { type: "Heard", epoch: 0 })).toBe(target));

  it("ignores a timer of an earlier epoch (a stale timer reverted the priority early)", () => {
    const again = play(
      target,
      { type: "Arrived" },
      { type: "Named", migration: second },
      { type: "Arrived" },
    );
    expect(again).toMatchObject({ state: "TimeWait", epoch: 2 });
    expect(play(again, { type: "Settled", epoch: 1 })).toBe(again);
  });

  it("is not suppressed again by the migration that brought the guest, nor by an older one", () => {
    const waiting = play(target, { type: "Arrived" });
    expect(
      play(
        waiting,
        { type: "Expected", migration: first },
        { type: "Named", migration: first },
        { type: "Named", migration: older },
      ),
    ).toBe(waiting);
  });

  it("may become target again when the guest left and comes back: A, B, A", () => {
    const left = play(target, { type: "Arrived" }, { type: "Leaving" }, { type: "Elsewhere" });
    expect(left.state).toBe("Away");
    expect(play(left, { type: "Named", migration: second })).toMatchObject({ state: "Target", epoch: 2 });
  });
});

it("a source that prepares to leave within the convergence time need not wait for its end", () => {
  const target = play(initialRecord(first), { type: "Named", migration: first });
  const waiting = play(target, { type: "Heard", epoch: 1 }, { type: "Arrived" });
  const leaving = play(waiting, { type: "Leaving" });
  expect([leaving.state, leaving.until]).toEqual(["TimeWait", options.now]);
  // The migration away has failed: what was over is over.
  expect(play(leaving, { type: "Arrived" }, { type: "Leaving" })).toBe(leaving);
  expect(consequences[play(leaving, { type: "Settled", epoch: 1 }).state].routes).toBe("normal");
});

it("a source keeps its route through a migration that fails", () =>
  expect(play(initialRecord(), { type: "Leaving" }, { type: "Arrived" }).state).toBe("Base"));

it("a source loses its route when the guest has left", () =>
  expect(consequences[play(initialRecord(), { type: "Leaving" }, { type: "Elsewhere" }).state].routes).toBe(
    "withdrawn",
  ));

describe("whatever arrives in whatever order", () => {
  const run = fc.array(inputs, { maxLength: 40 });

  it("only verified evidence in the current epoch leads from no route to a route", () => {
    fc.assert(
      fc.property(run, fc.boolean(), (list, asTarget) => {
        let record = initialRecord(asTarget ? first : undefined);
        for (const input of list) {
          const next = advance(record, input, options);
          const gained =
            consequences[record.state].routes === "withdrawn" &&
            consequences[next.state].routes !== "withdrawn";
          if (gained) expect(["Heard", "Switched", "Arrived", "Leaving"]).toContain(input.type);
          if (gained && input.type === "Heard") expect(input.epoch).toBe(record.epoch);
          record = next;
        }
      }),
    );
  });

  it("the epoch never falls, and rises by one when another migration is expected, or again the one that looked failed", () => {
    fc.assert(
      fc.property(run, (list) => {
        let record = initialRecord(first);
        for (const input of list) {
          const next = advance(record, input, options);
          const isExpected = input.type === "Expected" || input.type === "Named";
          const isAnother = isExpected && input.migration.uid !== record.migration?.uid;
          const isNews = next !== record && (isAnother || (isExpected && record.state === "Away"));
          expect(next.epoch - record.epoch).toBe(isNews ? 1 : 0);
          record = next;
        }
      }),
    );
  });

  it("an input given twice has no second effect", () => {
    fc.assert(
      fc.property(run, inputs, (list, input) => {
        const once = advance(play(initialRecord(first), ...list), input, options);
        expect(advance(once, input, options).state).toBe(once.state);
      }),
    );
  });

  it("success ends in the normal priority, failure without a route", () => {
    fc.assert(
      fc.property(run, (list) => {
        const before = play(initialRecord(first), ...list);
        const arrived = play(before, { type: "Arrived" });
        expect(play(arrived, { type: "Settled", epoch: arrived.epoch }).state).toBe("Base");
        expect(play(before, { type: "Elsewhere" }).state).toBe("Away");
      }),
    );
  });

  it("a restart at any point changes nothing that routers can see", () => {
    fc.assert(
      fc.property(run, (list) => {
        const record = play(initialRecord(first), ...list);
        const kernel = consequences[record.state].routes;
        const restored = restoreRecord(record, kernel, first, options);
        expect(consequences[restored.state].routes).toBe(kernel);
        // Without the file, kernel and pod tell as much as matters.
        expect(consequences[restoreRecord(undefined, kernel, first, options).state].routes).toBe(kernel);
      }),
    );
  });
});

describe("after a restart", () => {
  const target = play(initialRecord(first), { type: "Named", migration: first });

  it("an elevated route proves an announcement that was not written down", () =>
    expect(restoreRecord(target, "elevated", first, options).state).toBe("Live"));

  it("no state is gone on with that wants a better route than the kernel has", () => {
    const order = ["withdrawn", "normal", "elevated"] as const;
    for (const state of Object.keys(transitions) as MigrationState[])
      for (const kernel of order) {
        const restored = restoreRecord({ state, epoch: 3, migration: first }, kernel, first, options);
        expect(consequences[restored.state].routes).toBe(kernel);
        expect([restored.epoch, restored.migration]).toEqual([3, first]);
      }
  });

  it("a target goes on listening, one that KubeVirt had not named does not", () => {
    expect(restoreRecord(target, "withdrawn", first, options)).toEqual(target);
    expect(restoreRecord(initialRecord(first), "withdrawn", first, options).state).toBe("Candidate");
    expect(restoreRecord(undefined, "withdrawn", first, options).state).toBe("Candidate");
  });

  it("a clock set back cannot stretch the convergence time", () => {
    const saved: MigrationRecord = {
      state: "TimeWait",
      epoch: 1,
      migration: first,
      until: options.now + 1e9,
    };
    expect(restoreRecord(saved, "elevated", first, options).until).toBe(options.now + 30_000);
  });
});

it("every state has consequences, and no state without a guest has a route", () => {
  const states = Object.keys(transitions) as MigrationState[];
  expect(states.sort()).toEqual(Object.keys(consequences).sort());
  expect(states.filter((state) => consequences[state].routes === "withdrawn")).toEqual([
    "Away",
    "Candidate",
    "Target",
  ]);
});
