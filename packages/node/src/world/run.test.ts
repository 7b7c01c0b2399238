import { expect, it } from "vitest";
import type { Event, History } from "./history.fixture.ts";
import { Violation } from "./monitor.fixture.ts";
import { mustHappen, tooRare } from "./must-happen.fixture.ts";
import { type Outcome, shrink } from "./run.fixture.ts";

const outcome = (failure: Violation | undefined): Outcome => ({ failure, counts: new Map(), story: [] });

/** A world that fails once the agent is killed more than a second after a migration has begun. */
async function failing({ steps }: History): Promise<Outcome> {
  let at = 0;
  let begun: number | undefined;
  for (const { wait, event } of steps) {
    at += wait;
    if (event.do === "migrate") begun ??= at;
    if (event.do === "kill" && begun !== undefined && at - begun > 1_000)
      return outcome(new Violation("WrongOwner", "somebody else"));
    if (event.do === "stall") return outcome(new Violation("NoRest", "something else"));
  }
  return outcome(undefined);
}

it("a failing history is shortened to what makes it fail in the same way, and nothing happens earlier than it did", async () => {
  const migrate: Event = { do: "migrate", machine: 0 };
  const kill: Event = { do: "kill", node: 1, effects: 0, away: 1_000 };
  const others: Event[] = [
    { do: "cut watches", compact: false },
    { do: "pod", pod: 1 },
    { do: "stop", machine: 0 },
  ];
  const events = [
    others[0]!,
    migrate,
    others[1]!,
    others[2]!,
    kill,
    others[0]!,
    { do: "stall", milliseconds: 1 } as const,
  ];
  const steps = events.map((event, id) => ({ id, wait: 500, event }));
  const history = { seed: "a", machines: 3, steps };
  const [shortest, shown] = await shrink(history, await failing(history), failing);
  expect(shown.failure).toMatchObject({ code: "WrongOwner" });
  expect(shortest).toEqual({
    seed: "a",
    machines: 1,
    steps: [
      { id: 1, wait: 1_000, event: migrate },
      { id: 4, wait: 1_500, event: kill },
    ],
  });
});

it("what happens less often than it must is named", () => {
  const enough = new Map(Object.entries(mustHappen));
  expect(tooRare(enough, 1_000)).toEqual([]);
  expect(tooRare(new Map([...enough, ["step: wipe", 3]]), 1_000)).toEqual(["step: wipe: 3, not 50"]);
});
