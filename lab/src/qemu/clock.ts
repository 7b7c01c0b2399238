/** CLOCK_MONOTONIC in nanoseconds: the one clock all of the lab's figures are given in. */
export const monotonicNow = (): bigint => process.hrtime.bigint();

/** Nanoseconds between two readings that nothing interrupted, and how often that is tried. */
const narrow = 20_000n;
const attempts = 50;

/**
 * CLOCK_REALTIME − CLOCK_MONOTONIC in nanoseconds, accurate to some microseconds.
 *
 * JavaScript reads real time in whole milliseconds only, so this waits (up to 1 ms) for one to end: at that instant
 * real time is known exactly. On a busy machine this process may have been paused just then, so the narrowest of several tries counts.
 */
export function realtimeOffset(): bigint {
  let best = watchTick();
  for (let i = 1; i < attempts && best.width > narrow; i++) {
    const other = watchTick();
    if (other.width < best.width) best = other;
  }
  return best.offset;
}

/** A millisecond's beginning, between two readings of the monotonic clock that are `width` apart. */
function watchTick(): { readonly offset: bigint; readonly width: bigint } {
  const before = Date.now();
  let earliest = monotonicNow();
  for (;;) {
    const reading = monotonicNow();
    const now = Date.now();
    const width = monotonicNow() - earliest;
    if (now !== before) return { offset: BigInt(now) * 1_000_000n - (earliest + width / 2n), width };
    earliest = reading;
  }
}
