import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Rounds, runRounds } from "./rounds.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

let rounds: Rounds;
afterEach(() => rounds[Symbol.asyncDispose]());

/** `failing`: how many of the first rounds fail. */
function start(failing = 0) {
  const done = { rounds: 0, errors: 0 };
  rounds = runRounds({
    interval: 60_000,
    onError: () => void done.errors++,
    async work() {
      if (done.rounds++ < failing) throw new Error("no");
    },
  });
  return done;
}

it("works at once, then by the interval; a burst of touches is one round", async () => {
  const done = start();
  await vi.advanceTimersByTimeAsync(0);
  expect(done.rounds).toBe(1);
  for (let i = 0; i < 10; i++) rounds.touch();
  await vi.advanceTimersByTimeAsync(50);
  expect(done.rounds).toBe(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(done.rounds).toBe(3);
});

it("a failure is tried again, each time later, until it succeeds", async () => {
  const done = start(3);
  await vi.advanceTimersByTimeAsync(500 + 1000);
  expect(done).toEqual({ rounds: 3, errors: 3 });
  await vi.advanceTimersByTimeAsync(2000);
  expect(done).toEqual({ rounds: 4, errors: 3 });
});

it("nothing begins after the end", async () => {
  const done = start();
  await rounds[Symbol.asyncDispose]();
  rounds.touch();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(done.rounds).toBe(0);
});
