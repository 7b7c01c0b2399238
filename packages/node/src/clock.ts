export interface Timer {
  cancel(): void;
}

/** Time, injected. */
export interface Clock {
  /** Milliseconds since 1970. While the process runs they go on evenly, whatever is done to the machine's clock. */
  now(): number;
  after(milliseconds: number, work: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(milliseconds, work) {
    const handle = setTimeout(work, milliseconds);
    handle.unref();
    return { cancel: () => clearTimeout(handle) };
  },
};

/** A clock that a test moves by hand. */
export function createFakeClock(start = 1_000_000): Clock & { advance(milliseconds: number): void } {
  let now = start;
  const timers = new Set<{ at: number; work: () => void }>();
  return {
    now: () => now,
    after(milliseconds, work) {
      const timer = { at: now + milliseconds, work };
      timers.add(timer);
      return { cancel: () => void timers.delete(timer) };
    },
    advance(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (!due) break;
        now = Math.max(now, due.at);
        timers.delete(due);
        due.work();
      }
      now = end;
    },
  };
}
