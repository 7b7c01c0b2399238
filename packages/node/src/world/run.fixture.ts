import { describeHistory, type History, makeHistory } from "./history.fixture.ts";
import type { Violation } from "./monitor.fixture.ts";
import { checkMobility, checkNothingLeaks, checkRest } from "./rest.fixture.ts";
import { useVirtualTime } from "./virtual-globals.fixture.ts";
import { World } from "./world.fixture.ts";

/** How a history went. */
export interface Outcome {
  readonly failure: Violation | Error | undefined;
  readonly counts: ReadonlyMap<string, number>;
  readonly story: readonly string[];
}

/** Plays a history in a new world, and looks at everything after each step, at rest, after another move, and at the end. */
export async function runHistory(history: History, { isTold = false } = {}): Promise<Outcome> {
  const world = new World(history, isTold);
  using _ = useVirtualTime(world.time);
  using _stacks = withStacks(isTold ? 20 : 0);
  let failure: Error | undefined;
  try {
    await world.begin();
    for (const step of history.steps) await world.play(step);
    await world.settle();
    await checkRest(world);
    await checkMobility(world, history.seed);
    await checkRest(world);
    await checkNothingLeaks(world, history.seed);
  } catch (error) {
    failure = error instanceof Error ? error : new Error(String(error));
    world.tell(failure.message);
  }
  return { failure, counts: world.counts, story: world.story };
}

/** Errors are ordinary here, and their stacks cost more than all the rest of them. */
function withStacks(limit: number): Disposable {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = limit;
  return {
    [Symbol.dispose]() {
      Error.stackTraceLimit = stackTraceLimit;
    },
  };
}

const kindOf = ({ failure }: Outcome) => (failure && "code" in failure ? failure.code : failure?.name);

/** The shortest history that still fails in the same way. */
export async function shrink(
  history: History,
  failed: Outcome,
  run: (history: History) => Promise<Outcome> = runHistory,
): Promise<readonly [History, Outcome]> {
  let [best, outcome] = [history, failed];
  const attempt = async (candidate: History): Promise<boolean> => {
    const tried = await run(candidate);
    if (!tried.failure || kindOf(tried) !== kindOf(failed)) return false;
    [best, outcome] = [candidate, tried];
    return true;
  };
  if (best.machines > 1) await attempt({ ...best, machines: 1 });
  for (let size = Math.ceil(best.steps.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < best.steps.length; ) {
      const kept = best.steps.slice(0, at);
      const [next, ...rest] = best.steps.slice(at + size);
      // What is dropped took its time.
      const waited = best.steps.slice(at, at + size).reduce((sum, { wait }) => sum + wait, 0);
      const steps = next ? [...kept, { ...next, wait: next.wait + waited }, ...rest] : kept;
      if (!(await attempt({ ...best, steps }))) at += size;
    }
  }
  return [best, outcome];
}

/** A failure, so that a person can follow it: the shortest history, and what happened in it. */
export async function explain(seed: string, failed: Outcome, longest?: number): Promise<string> {
  const [shortest] = await shrink(makeHistory(seed, longest), failed);
  const outcome = await runHistory(shortest, { isTold: true });
  return [outcome.failure?.stack, describeHistory(shortest), ...outcome.story].join("\n");
}
