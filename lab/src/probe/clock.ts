/**
 * Now, in milliseconds of CLOCK_MONOTONIC with nanosecond resolution. Every process of one machine reads the same clock,
 * in every namespace, so times from probes, agents and QEMU can be subtracted from each other.
 */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
