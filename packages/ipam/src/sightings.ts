/**
 * Remembers since when something looks wrong. It counts only if it was seen at least twice, `graceMs` apart, by a clock that does
 * not jump; whatever is not seen again in a round is forgotten.
 */
export class Sightings {
  #seen = new Map<string, { readonly since: number; readonly times: number }>();
  #next = new Map<string, { readonly since: number; readonly times: number }>();

  /** True when the suspicion has held long enough. */
  see(key: string, nowMs: number, graceMs: number): boolean {
    const before = this.#seen.get(key);
    const entry = { since: before?.since ?? nowMs, times: (before?.times ?? 0) + 1 };
    this.#next.set(key, entry);
    return entry.times >= 2 && nowMs - entry.since >= graceMs;
  }

  /** Ends a round. */
  turn() {
    this.#seen = this.#next;
    this.#next = new Map();
  }

  get size(): number {
    return this.#seen.size;
  }
}
