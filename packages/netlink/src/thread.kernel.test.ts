import { spawnSync } from "node:child_process";
import { expect, it, test } from "vitest";
import { Thread } from "./thread.ts";

const counting = { beside: import.meta.url, program: "counting-thread.fixture", name: "counting" };

it("takes orders in their order, and ends when asked to", async () => {
  const reports: number[] = [];
  let exits = 0;
  const thread = new Thread<number, number>({
    ...counting,
    onReport: (count) => void reports.push(count),
    onExit() {
      exits += 1;
    },
  });
  for (const times of [1, 2, 3]) thread.post(times);
  await expect.poll(() => reports).toEqual([1, 3, 6]);
  await Promise.all([thread.end(), thread.end()]);
  expect(exits).toBe(1);
  await thread.end();
});

it("drops the orders that wait when it is asked to end", async () => {
  const reports: number[] = [];
  const thread = new Thread<number, number>({ ...counting, onReport: (count) => void reports.push(count) });
  for (let i = 0; i < 100; i++) thread.post(5_000);
  await thread.end();
  expect(reports.length).toBeLessThan(100);
});

it("tells of a program that cannot be loaded, and is gone", async () => {
  const errors: Error[] = [];
  const thread = new Thread<number, number>({
    ...counting,
    program: "no-such-thread",
    onReport() {},
    onError: (error) => void errors.push(error),
  });
  await thread.end();
  expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining("no-such-thread")]);
});

const program = (body: string) => `
  import { Thread } from ${JSON.stringify(new URL("./thread.ts", import.meta.url).href)};
  async function busy() {
    const begun = Promise.withResolvers();
    const thread = new Thread({ ...${JSON.stringify(counting)}, onReport: begun.resolve });
    for (let i = 0; i < 1_000; i++) thread.post(300);
    thread.ref();
    await begun.promise;
    thread.unref();
    return thread;
  }
  ${body}`;

/** Where Node.js terminates a thread inside a native call, it aborts. */
test.each([
  ["whose threads end", 0, "for (let i = 0; i < 5; i++) await (await busy()).end();"],
  ["that has no more to do", 0, "for (let i = 0; i < 3; i++) await busy();"],
  ["that calls process.exit", 7, "for (let i = 0; i < 3; i++) await busy(); process.exit(7);"],
  ["that meets an error", 1, "for (let i = 0; i < 3; i++) await busy(); throw new Error('x');"],
  ["that begins threads at its end", 7, "for (let i = 0; i < 3; i++) busy(); process.exit(7);"],
])("a process %s ends in order, with threads in the middle of their calls", (_, status, body) => {
  const argv = ["--input-type=module", "-e", program(body)];
  const run = spawnSync(process.execPath, argv, { timeout: 50_000, encoding: "utf8" });
  expect([run.signal, run.status, run.stderr.match(/FATAL ERROR.*/)?.[0]]).toEqual([null, status, undefined]);
});
