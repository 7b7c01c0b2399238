import { expect, test } from "vitest";
import { Flight } from "./flight.ts";

/** Work that ends when told. */
function piecework() {
  const ends: ((result: number) => void)[] = [];
  const flight = new Flight(() => new Promise<number>((resolve) => ends.push(resolve)));
  return { flight, ends };
}

test("who asks while a run is under way gets the answer of the next one, all of them the same", async () => {
  const { flight, ends } = piecework();
  const first = flight.run();
  const [second, third] = [flight.run(), flight.run()];
  ends[0]!(1);
  expect(await first).toBe(1);
  await Promise.resolve();
  ends[1]!(2);
  expect([await second, await third]).toEqual([2, 2]);
  expect(ends).toHaveLength(2);
});

test("who joins gets the answer of the run under way", async () => {
  const { flight, ends } = piecework();
  const [first, joined] = [flight.run(), flight.join()];
  ends[0]!(1);
  expect([await first, await joined]).toEqual([1, 1]);
});

test("a run that fails fails its own callers only", async () => {
  let runs = 0;
  const flight = new Flight(async () => {
    if (++runs === 1) throw new Error("first");
    return runs;
  });
  const first = flight.run();
  const second = flight.run();
  await expect(first).rejects.toThrow("first");
  expect(await second).toBe(2);
  expect(await flight.join()).toBe(3);
});
