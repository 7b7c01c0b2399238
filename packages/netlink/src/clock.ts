/** CLOCK_MONOTONIC in nanoseconds: the clock of every `at` in this package, common to all processes of the machine. */
export const monotonicNow = (): bigint => process.hrtime.bigint();
