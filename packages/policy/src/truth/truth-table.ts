import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Outcome } from "../testbed/attempt.ts";
import { everybodyBut, type Pair, TruthWorld } from "./truth-world.ts";
import { type Policies, type WayName, ways } from "./vocabulary.ts";

const subject = "x/a";

/** Under these policies, who gets through to the subject (or whom it gets through to), for each way of asking. */
export interface TruthRow {
  readonly name: string;
  readonly policies: Policies;
  readonly reached: Partial<Record<WayName, readonly string[]>>;
}

/** `to`: who reaches the subject. `from`: whom the subject reaches. */
export type Side = "to" | "from";

/** Everybody else asks, or is asked, over real connections in both families; a case is one row asked in one way. */
export function truthTable(title: string, side: Side, rows: readonly TruthRow[]): void {
  let world: TruthWorld;
  beforeAll(async () => {
    world = await TruthWorld.open();
  });
  afterAll(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  describe(title, () => {
    for (const { name, policies, reached } of rows) {
      const cases = Object.entries(reached) as [WayName, readonly string[]][];
      test.for(cases)(`${name}: %s`, async ([way, who]) => {
        await world.enforce(policies);
        expectReached(world, side, way, who);
      });
    }
  });
}

export function expectReached(world: TruthWorld, side: Side, way: WayName, who: readonly string[]): void {
  const others = everybodyBut(subject);
  const pairs = others.map((other): Pair => (side === "to" ? [other, subject] : [subject, other]));
  const expected = others.map((other): [Outcome, Outcome] =>
    who.includes(other) ? ["answered", "answered"] : ["dropped", "dropped"],
  );
  const outcomes = world.ask(pairs, ways[way], (pair) => who.includes(pair[side === "to" ? 0 : 1]));
  expect(byName(others, outcomes)).toEqual(byName(others, expected));
}

const byName = (names: readonly string[], outcomes: readonly (readonly [Outcome, Outcome])[]) =>
  Object.fromEntries(names.map((name, index) => [name, outcomes[index]?.join(" ")]));
