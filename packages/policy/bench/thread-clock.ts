import koffi from "koffi";

const threadClock = 3;
const clockGetTime = koffi.load(null).func("int clock_gettime(int clock, void *into)");
const time = Buffer.alloc(16);

/**
 * Milliseconds this thread has been on a processor, softirqs that ran in its place included (CLOCK_THREAD_CPUTIME_ID, clock_gettime(2)).
 * Unlike time on the wall it does not count what others do on a busy machine.
 */
export function threadTime(): number {
  clockGetTime(threadClock, time);
  return Number(time.readBigInt64LE(0)) * 1e3 + Number(time.readBigInt64LE(8)) / 1e6;
}
