/** The wall clock and the monotonic clock, side by side. */
import { monotonicNow } from "./clock.ts";
import { libc } from "./libc.ts";

const CLOCK_REALTIME = 0;

const clock = Buffer.alloc(16);

function realtimeNow(): bigint {
  libc().clock_gettime(CLOCK_REALTIME, clock);
  return timespec(clock);
}

/** Nanoseconds between two readings that nothing interrupted, and how often that is tried. */
const NARROW = 20_000n;
const ATTEMPTS = 5;

/** Both clocks at the same time: on a busy machine this process may be paused between two readings, so the narrowest of a few counts. */
export function readClocks(): { readonly now: bigint; readonly realtime: bigint } {
  let best = { now: 0n, realtime: 0n };
  let bestWidth: bigint | undefined;
  for (let i = 0; i < ATTEMPTS && (bestWidth === undefined || bestWidth > NARROW); i++) {
    const before = monotonicNow();
    const realtime = realtimeNow();
    const width = monotonicNow() - before;
    if (bestWidth !== undefined && width >= bestWidth) continue;
    bestWidth = width;
    best = { now: before + width / 2n, realtime };
  }
  return best;
}

/** Nanoseconds of a struct timespec. */
export const timespec = (bytes: Buffer): bigint =>
  bytes.readBigInt64LE(0) * 1_000_000_000n + bytes.readBigInt64LE(8);
