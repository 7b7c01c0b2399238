/** Since when things have been seen, for waits that begin at the first sight of something. */
export class Ages {
  readonly #now: () => number;
  readonly #since = new Map<string, number>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Milliseconds since something was first asked for; 0 the first time. */
  of(thing: string): number {
    const now = this.#now();
    const since = this.#since.get(thing) ?? now;
    this.#since.set(thing, since);
    return now - since;
  }

  /** Forgets everything about an object, whose things begin with `<uid>/`. */
  forget(uid: string): void {
    for (const thing of this.#since.keys()) if (thing.startsWith(`${uid}/`)) this.#since.delete(thing);
  }
}
