import { describe, expect, it } from "vitest";
import { makeHistory } from "./history.fixture.ts";
import { tooRare } from "./must-happen.fixture.ts";
import { explain, runHistory } from "./run.fixture.ts";

/** Each test plays so many. */
const share = 50;

/** Declares the tests of so many histories; two files of them run side by side. */
export function playHistories(first: number, count: number): void {
  const counts = new Map<string, number>();

  async function play(seed: string): Promise<string | undefined> {
    const outcome = await runHistory(makeHistory(seed));
    for (const [what, times] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + times);
    return outcome.failure && (await explain(seed, outcome));
  }

  describe(`${count} random histories of whole nodes, whose agents are killed, stopped, cut off and misled`, () => {
    const firsts = Array.from({ length: count / share }, (_, part) => first + part * share);

    it.each(firsts)("VMs keep their addresses, owner, routes and mobility: from seed %i on", async (from) => {
      for (let number = from; number < from + share; number++)
        expect(await play(`${number}`)).toBeUndefined();
    });

    it("everything that can happen has happened, often enough to mean something", () => {
      expect(tooRare(counts, count)).toEqual([]);
    });
  });
}
