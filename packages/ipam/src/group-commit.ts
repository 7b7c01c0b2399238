import { setImmediate as turn } from "node:timers/promises";

/** A change that waits for the next write of its object. */
export interface Waiting<Change> {
  readonly change: Change;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** What a change came to, before anybody knows whether it was written. */
export type Outcome = { readonly result: unknown } | { readonly error: unknown };

/** Makes a change that may throw. */
export function outcomeOf(change: () => unknown): Outcome {
  try {
    return { result: change() };
  } catch (error) {
    return { error };
  }
}

/** Tells everybody what came of their change. */
export function settle(batch: readonly Waiting<unknown>[], outcomes: readonly Outcome[]): void {
  for (const [i, outcome] of outcomes.entries())
    if ("error" in outcome) batch[i]!.reject(outcome.error);
    else batch[i]!.resolve(outcome.result);
}

/**
 * Changes of one object that arrive while it is being written wait, and share the next write: the number of writes follows from how
 * long one takes, not from how many want one. Changes of different objects do not wait for each other.
 */
export class GroupCommit<Change> {
  readonly #commit: (key: string, batch: readonly Waiting<Change>[]) => Promise<void>;
  readonly #lanes = new Map<string, Waiting<Change>[]>();

  /** `commit` settles each change of the batch, or throws for all of them. */
  constructor(commit: (key: string, batch: readonly Waiting<Change>[]) => Promise<void>) {
    this.#commit = commit;
  }

  run<R>(key: string, change: Change): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      const one = { change, resolve: (result: unknown) => resolve(result as R), reject };
      const waiting = this.#lanes.get(key);
      if (waiting) waiting.push(one);
      else void this.#drive(key, [one]);
    });
  }

  async #drive(key: string, waiting: Waiting<Change>[]) {
    this.#lanes.set(key, waiting);
    // Everything asked for in this turn of the event loop shares the first write.
    await turn();
    while (waiting.length > 0) {
      const batch = waiting.splice(0);
      try {
        await this.#commit(key, batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#lanes.delete(key);
  }
}
