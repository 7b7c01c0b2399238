/** How long a migration may take, as in `migrationConfiguration` of a VMI's migration state. */
export interface MigrationLimits {
  /** Seconds without a new low of what is left to copy. */
  readonly progressTimeout: number;
  /** Seconds for each GB (decimal, rounded up) of memory. */
  readonly completionTimeoutPerGiB: number;
}

/** KubeVirt's defaults. */
export const defaultLimits: MigrationLimits = { progressTimeout: 150, completionTimeoutPerGiB: 150 };

/** What QEMU says of a copy under way. */
export interface Progress {
  /** Milliseconds since the migration began. */
  readonly elapsedMs: number;
  /** Bytes of memory still to be copied. */
  readonly remaining: number;
}

/** Judges a migration again and again; its answer is why the migration has to be given up. */
export function createMigrationMonitor(
  { progressTimeout, completionTimeoutPerGiB }: MigrationLimits,
  memoryMiB: number,
): (progress: Progress) => string | undefined {
  const gigabytes = Math.ceil((memoryMiB * 2 ** 20) / 1e9);
  const longest = completionTimeoutPerGiB * gigabytes;
  let lowest = Number.POSITIVE_INFINITY;
  let progressedAt = 0;
  return ({ elapsedMs, remaining }) => {
    if (remaining < lowest) {
      lowest = remaining;
      progressedAt = elapsedMs;
    }
    if (elapsedMs - progressedAt >= progressTimeout * 1000)
      return `Live migration stuck for ${progressTimeout} seconds and has been aborted`;
    if (elapsedMs >= longest * 1000)
      return `Live migration is not completed after ${longest} seconds and has been aborted`;
    return undefined;
  };
}
