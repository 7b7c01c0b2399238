/**
 * What two threads share of one reflex: its state, and what was heard.
 *
 *     armed ── the thread hears ──▶ firing ── routes acknowledged ──▶ fired
 *       └───── the main loop stops it ──▶ stopped
 *
 * Exactly one of `claim` and `stop` succeeds. So a reflex that was stopped never changes a route afterwards, and one that could not be
 * stopped has heard the guest, and says when its routes are done.
 *
 *     i32 state, i32 kind, i64 at, i64 acknowledgedAt
 */
import type { AnnouncementKind } from "@fairlead/garp";

const SIZE = 24;
const ARMED = 0;
const FIRING = 1;
const FIRED = 2;
const STOPPED = 3;
const kinds: readonly AnnouncementKind[] = ["rarp", "garp", "na"];

/** Milliseconds to wait for routes under way: as long as the kernel may take to answer on any thread. */
const longestFiring = 5_000;

/** Times: CLOCK_MONOTONIC, nanoseconds. */
export interface Fired {
  readonly kind: AnnouncementKind;
  /** The kernel's receipt of the frame. */
  readonly at: bigint;
  /** The kernel's acknowledgement of the routes; undefined when the thread ended in between. */
  readonly acknowledgedAt: bigint | undefined;
}

export class ReflexCell {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #times: BigInt64Array;

  /** Over the memory of the other thread's cell, or a new one, armed. */
  constructor(memory = new SharedArrayBuffer(SIZE)) {
    this.memory = memory;
    this.#words = new Int32Array(memory, 0, 2);
    this.#times = new BigInt64Array(memory, 8, 2);
  }

  /** The thread: the guest was heard. False: too late, nothing may be done. */
  claim({ kind, at }: { readonly kind: AnnouncementKind; readonly at: bigint }): boolean {
    this.#words[1] = kinds.indexOf(kind);
    this.#times[0] = at;
    return Atomics.compareExchange(this.#words, 0, ARMED, FIRING) === ARMED;
  }

  /** The thread: the kernel has answered. */
  complete(acknowledgedAt: bigint): void {
    this.#times[1] = acknowledgedAt;
    Atomics.store(this.#words, 0, FIRED);
    Atomics.notify(this.#words, 0);
  }

  /** The main loop, when the thread has ended: nobody completes what was claimed. True if something was. */
  abandon(): boolean {
    return Atomics.compareExchange(this.#words, 0, FIRING, FIRED) === FIRING;
  }

  /** The main loop: hears no more from now on. What was heard before, with its routes done. */
  stop(): Fired | undefined {
    Atomics.compareExchange(this.#words, 0, ARMED, STOPPED);
    return this.read();
  }

  /** What was heard, if anything. Waits for routes under way: microseconds. */
  read(): Fired | undefined {
    Atomics.wait(this.#words, 0, FIRING, longestFiring);
    const state = Atomics.load(this.#words, 0);
    if (state === ARMED || state === STOPPED) return undefined;
    const [at = 0n, acknowledged = 0n] = this.#times;
    return {
      kind: kinds[this.#words[1] ?? 0] ?? "rarp",
      at,
      acknowledgedAt: acknowledged > 0n ? acknowledged : undefined,
    };
  }
}
