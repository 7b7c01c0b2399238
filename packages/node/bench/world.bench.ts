import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism } from "node:os";
import type { Bench } from "../../../scripts/bench.ts";
import { makeHistory } from "../src/world/history.fixture.ts";
import { tooRare } from "../src/world/must-happen.fixture.ts";
import { explain, runHistory } from "../src/world/run.fixture.ts";

const histories = Number(process.env.FAIRLEAD_HISTORIES ?? 100_000);
const seed = process.env.FAIRLEAD_SEED;
/** A process plays so many at a time: its answer says what happened. */
const share = 500;

interface Share {
  readonly counts: readonly (readonly [what: string, count: number])[];
  /** Each explained: the shortest history and its story. */
  readonly failures: readonly string[];
}

/**
 * Random histories of whole nodes, see `src/world`: 100,000, or as many as `FAIRLEAD_HISTORIES` says, on all CPUs. With `FAIRLEAD_SEED` the
 * one of that seed instead: its shortest form that fails, and what happens in it.
 */
export default async function benchmark(bench: Bench): Promise<void> {
  if (seed !== undefined) return tellStory(bench, seed);
  const counts = new Map<string, number>();
  const failures: string[] = [];
  const begin = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < histories) {
      const first = next;
      next += share;
      const part = await playApart(first, Math.min(first + share, histories));
      for (const [what, count] of part.counts) counts.set(what, (counts.get(what) ?? 0) + count);
      for (const failure of part.failures) {
        failures.push(failure);
        bench.say(failure);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  const seconds = (performance.now() - begin) / 1_000;
  bench.report({ name: "random histories of whole nodes", value: histories, unit: "histories" });
  bench.report({ name: "of them failed", value: failures.length, unit: "histories" });
  bench.report({ name: "rate", value: histories / seconds, unit: "1/s" });
  for (const [what, count] of [...counts].sort()) bench.report({ name: what, value: count, unit: "times" });
  const rare = tooRare(counts, histories);
  if (rare.length > 0) bench.say(`too rare to mean anything: ${rare.join("; ")}`);
  if (failures.length > 0) throw new Error(`${failures.length} of ${histories} histories failed`);
}

async function tellStory(bench: Bench, seed: string): Promise<void> {
  const outcome = await runHistory(makeHistory(seed), { isTold: true });
  bench.say(outcome.failure ? await explain(seed, outcome) : outcome.story.join("\n"));
}

/** Seeds of the bench are not those of the tests. */
const seedOf = (number: number) => `bench ${number}`;

async function playApart(from: number, to: number): Promise<Share> {
  const child = spawn(process.execPath, [import.meta.filename, String(from), String(to)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const [status] = (await once(child, "close")) as [number | null];
  if (status !== 0) throw new Error(`playing the histories from ${from} on ended with ${status}`);
  return JSON.parse(text) as Share;
}

async function play(from: number, to: number): Promise<Share> {
  const counts = new Map<string, number>();
  const failures: string[] = [];
  for (let number = from; number < to; number++) {
    const outcome = await runHistory(makeHistory(seedOf(number)));
    for (const [what, count] of outcome.counts) counts.set(what, (counts.get(what) ?? 0) + count);
    if (outcome.failure) failures.push(await explain(seedOf(number), outcome));
  }
  return { counts: [...counts], failures };
}

if (import.meta.main) {
  const [from, to] = process.argv.slice(2).map(Number);
  process.stdout.write(JSON.stringify(await play(from ?? 0, to ?? share)));
}
