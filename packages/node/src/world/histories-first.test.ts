import { expect, it } from "vitest";
import { makeHistory } from "./history.fixture.ts";
import { playHistories } from "./play.fixture.ts";
import { runHistory } from "./run.fixture.ts";

playHistories(0, 1_000);

it("a seed tells the same story every time", async () => {
  for (const seed of ["a", "b", "c"]) {
    const first = await runHistory(makeHistory(seed), { isTold: true });
    const again = await runHistory(makeHistory(seed), { isTold: true });
    expect(first.story.length).toBeGreaterThan(10);
    expect(again.story).toEqual(first.story);
  }
});
