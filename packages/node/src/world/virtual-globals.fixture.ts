import { syncBuiltinESMExports } from "node:module";
import timersPromises from "node:timers/promises";
import type { Job } from "./job-queue.fixture.ts";
import type { VirtualTime } from "./virtual-time.fixture.ts";

/** What timers of Node.js offer. */
class VirtualTimer {
  job: Job | undefined;
  unref = () => this;
  ref = () => this;
  hasRef = () => false;
  [Symbol.toPrimitive] = () => 0;
}

/** Made once: a stack costs more than all the rest. */
const tooLate = new DOMException("The operation was aborted due to timeout", "TimeoutError");

/** Whose time `node:timers/promises` follows; the real one while there is none. */
let followed: VirtualTime | undefined;

/** Whoever imported these keeps what he imported, so they are replaced once and for all. */
function followVirtualTime(): void {
  const { setImmediate: realTurn, setTimeout: realDelay } = timersPromises;
  const wait = <T>(time: VirtualTime, milliseconds: number, value: T) =>
    new Promise<T>((resolve) => void time.after(milliseconds, () => resolve(value)));
  timersPromises.setImmediate = <T>(value?: T, options?: object) =>
    followed ? wait(followed, 0, value as T) : realTurn(value, options);
  timersPromises.setTimeout = <T>(milliseconds = 0, value?: T, options?: object) =>
    followed ? wait(followed, milliseconds, value as T) : realDelay(milliseconds, value, options);
  syncBuiltinESMExports();
}
followVirtualTime();

/**
 * The parts under test take the time from where all programs take it, so it is replaced there: timers, clocks, and the deadlines of `AbortSignal`.
 * Everything is as it was when this is disposed.
 */
export function useVirtualTime(time: VirtualTime): Disposable {
  const real = {
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    setImmediate,
    clearImmediate,
  };
  const { now: realNow } = Date;
  const realPerformanceNow = performance.now;
  const realDeadline = AbortSignal.timeout;
  const begin = time.now;

  const schedule = (work: () => void, milliseconds: number) => {
    const timer = new VirtualTimer();
    timer.job = time.after(milliseconds, work);
    return timer;
  };
  const cancel = (timer: VirtualTimer | undefined) => {
    if (timer?.job) time.cancel(timer.job);
  };
  const repeat = (work: () => void, milliseconds: number) => {
    const timer = new VirtualTimer();
    const again = () => {
      timer.job = time.after(milliseconds, again);
      work();
    };
    timer.job = time.after(milliseconds, again);
    return timer;
  };
  const deadline = (milliseconds: number): AbortSignal => {
    const controller = new AbortController();
    time.after(milliseconds, () => controller.abort(tooLate));
    return controller.signal;
  };
  Object.assign(globalThis, {
    setTimeout: (work: (...given: unknown[]) => void, milliseconds = 0, ...given: unknown[]) =>
      schedule(() => work(...given), milliseconds),
    clearTimeout: cancel,
    setInterval: repeat,
    clearInterval: cancel,
    setImmediate: (work: (...given: unknown[]) => void, ...given: unknown[]) =>
      schedule(() => work(...given), 0),
    clearImmediate: cancel,
  });
  followed = time;
  Date.now = () => time.now;
  performance.now = () => time.now - begin;
  AbortSignal.timeout = deadline;
  return {
    [Symbol.dispose]() {
      followed = undefined;
      Object.assign(globalThis, real);
      Date.now = realNow;
      performance.now = realPerformanceNow;
      AbortSignal.timeout = realDeadline;
    },
  };
}
