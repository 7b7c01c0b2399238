/** CLOCK_MONOTONIC in nanoseconds: the one clock all of the lab's figures are given in. */
export const monotonicNow = (): bigint => process.hrtime.bigint();

/**
 * CLOCK_REALTIME − CLOCK_MONOTONIC in nanoseconds, accurate to some microseconds.
 *
 * JavaScript reads real time in whole milliseconds only, so this waits (up to 1 ms) for one to end: at that instant
 * real time is known exactly.
 */
export function realtimeOffset(): bigint {
  const before = Date.now();
  let now = before;
  let monotonic = 0n;
  while (now === before) {
    monotonic = monotonicNow();
    now = Date.now();
  }
  return BigInt(now) * 1_000_000n - monotonic;
}
