import { Change, type Stored } from "./change.ts";

export type Listener = (change: Change) => void;

/** All objects of one resource, with the recent changes that watchers resume from. */
export class Collection {
  /** `group/plural` */
  readonly id: string;
  readonly #items = new Map<string, Stored>();
  #sorted: Stored[] | undefined;
  #history: Change[] = [];
  /** Changes up to and including this version are forgotten. */
  #compacted: number;
  readonly #listeners = new Set<Listener>();
  readonly #limit: number;

  constructor(id: string, limit: number, compacted: number) {
    this.id = id;
    this.#limit = limit;
    this.#compacted = compacted;
  }

  get size(): number {
    return this.#items.size;
  }

  get compacted(): number {
    return this.#compacted;
  }

  get(key: string): Stored | undefined {
    return this.#items.get(key);
  }

  /** Objects in key order, so namespaced ones stand grouped by namespace. Read it before the next write. */
  sorted(): readonly Stored[] {
    this.#sorted ??= [...this.#items.values()].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    return this.#sorted;
  }

  /** The collection as it was at `version`; undefined when those changes are forgotten. */
  sortedAt(version: number): readonly Stored[] | undefined {
    if (version < this.#compacted) return undefined;
    const later = this.since(version);
    if (later.length === 0) return this.sorted();
    const before = new Map<string, Stored | undefined>();
    for (const change of later)
      if (!before.has(change.current.key)) before.set(change.current.key, change.previous);
    const items = new Map(this.#items);
    for (const [key, stored] of before) stored ? items.set(key, stored) : items.delete(key);
    return [...items.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** Changes after `version`. The caller checks `compacted` first. */
  since(version: number): readonly Change[] {
    const history = this.#history;
    let low = 0;
    let high = history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (history[middle]!.version <= version) low = middle + 1;
      else high = middle;
    }
    return low === history.length ? [] : history.slice(low);
  }

  put(stored: Stored): Change {
    const previous = this.#items.get(stored.key);
    this.#items.set(stored.key, stored);
    if (previous && this.#sorted) this.#sorted[find(this.#sorted, stored.key)] = stored;
    else this.#sorted = undefined;
    return this.#record(new Change(previous ? "MODIFIED" : "ADDED", stored, previous));
  }

  /** `last` is the final state, at the version of the deletion. */
  remove(last: Stored): Change {
    const previous = this.#items.get(last.key);
    this.#items.delete(last.key);
    this.#sorted = undefined;
    return this.#record(new Change("DELETED", last, previous));
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  compact(version: number): void {
    this.#history = this.#history.filter((change) => change.version > version);
    this.#compacted = Math.max(this.#compacted, version);
  }

  #record(change: Change): Change {
    this.#history.push(change);
    if (this.#history.length > this.#limit * 1.5) {
      const dropped = this.#history.length - this.#limit;
      this.#compacted = this.#history[dropped - 1]!.version;
      this.#history = this.#history.slice(dropped);
    }
    for (const listener of this.#listeners) listener(change);
    return change;
  }
}

function find(sorted: readonly Stored[], key: string): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
