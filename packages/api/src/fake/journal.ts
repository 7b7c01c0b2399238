import { ApiError } from "../error.ts";
import type { KubernetesObject } from "../object.ts";

/** One change of one object, as the server's history keeps it. Objects in it are never changed. */
export interface JournalEntry {
  readonly revision: number;
  /** Which kind, as the store names it. */
  readonly collection: string;
  readonly before: KubernetesObject | undefined;
  readonly after: KubernetesObject | undefined;
}

/** Numbered history of all changes, from which watches are served. Old entries can be forgotten. */
export class Journal {
  #entries: JournalEntry[] = [];
  #revision = 1;
  #forgotten = 0;
  #listeners = new Set<() => void>();

  get revision(): number {
    return this.#revision;
  }

  next(): number {
    this.#revision += 1;
    return this.#revision;
  }

  append(entry: JournalEntry): void {
    this.#entries.push(entry);
    if (this.#entries.length > 20_000) this.compact(this.#entries[10_000]?.revision);
    this.wake();
  }

  /** Entries after a revision. Throws `Gone` when some of them are forgotten. */
  after(revision: number): readonly JournalEntry[] {
    if (revision < this.#forgotten)
      throw new ApiError("Gone", `too old resource version: ${revision} (${this.#forgotten})`);
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#entries.slice(low);
  }

  /** Forgets everything up to a revision (default: the newest). */
  compact(upTo = this.#revision): void {
    this.#forgotten = Math.max(this.#forgotten, upTo);
    this.#entries = this.#entries.filter((entry) => entry.revision > upTo);
  }

  /** Calls all that wait, without a change. */
  wake(): void {
    for (const listener of this.#listeners) listener();
  }

  onAppend(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}
