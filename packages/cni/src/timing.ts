/** The parts of an ADD, in the order in which they begin. Wiring and policy overlap. */
export const parts = ["messenger", "identity", "ipam", "wiring", "policy", "total"] as const;
/** A part of ADD whose time is taken. */
export type Part = (typeof parts)[number];

/** Milliseconds of each part of one ADD. */
export type Timing = Readonly<Record<Part, number>>;

export interface Stopwatch {
  /** Counts the time `work` takes, until its promise settles if it returns one. */
  time<T>(part: Part, work: () => T): T;
  read(): Timing;
}

const milliseconds = (from: bigint, to: bigint) => Number(to - from) / 1e6;

/** `startedAt`: when the messenger began, CLOCK_MONOTONIC nanoseconds, the clock of `now`. */
export function startStopwatch(startedAt: bigint, now: () => bigint = process.hrtime.bigint): Stopwatch {
  const spent = Object.fromEntries(parts.map((part) => [part, 0])) as Record<Part, number>;
  spent.messenger = milliseconds(startedAt, now());
  return {
    time(part, work) {
      const from = now();
      const stop = () => {
        spent[part] += milliseconds(from, now());
      };
      const result = work();
      if (result instanceof Promise) result.then(stop, stop);
      else stop();
      return result;
    },
    read: () => ({ ...spent, total: milliseconds(startedAt, now()) }),
  };
}
