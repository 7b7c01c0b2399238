import { setTimeout as delay } from "node:timers/promises";
import type { QmpClient } from "../qemu/index.ts";

/** How long a migration may take and what then, as in `migrationConfiguration` of a VMI's migration state. */
export interface MigrationLimits {
  /** Seconds without a new low of what is left to copy. */
  readonly progressTimeout: number;
  /** Seconds for each GB (decimal, rounded up) of memory. */
  readonly completionTimeoutPerGiB: number;
  /** A copy that takes longer becomes a post-copy, and is not aborted. */
  readonly allowPostCopy: boolean;
}

/** KubeVirt's defaults. */
export const defaultLimits: MigrationLimits = {
  progressTimeout: 150,
  completionTimeoutPerGiB: 150,
  allowPostCopy: false,
};

/** What has to become of a copy that is not to go on as it does. */
export type Verdict = { readonly do: "abort" | "postCopy"; readonly reason: string };

/** What QEMU says of a copy under way. */
export interface Progress {
  /** Milliseconds since the migration began. */
  readonly elapsedMs: number;
  /** Bytes of memory still to be copied. */
  readonly remaining: number;
}

/** Judges a copy again and again, until it is over or has become a post-copy: that knows no limits. */
export function createMigrationMonitor(
  { progressTimeout, completionTimeoutPerGiB, allowPostCopy }: MigrationLimits,
  memoryMiB: number,
): (progress: Progress) => Verdict | undefined {
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
      return { do: "abort", reason: `Live migration stuck for ${progressTimeout} seconds` };
    if (elapsedMs < longest * 1000) return undefined;
    const reason = `Live migration is not completed after ${longest} seconds`;
    return { do: allowPostCopy ? "postCopy" : "abort", reason };
  };
}

/** How often a copy is judged, milliseconds. A copy as short as most are here is left in peace. */
const interval = 1_000;

/** Judges QEMU's copy until there is a verdict, or until `over`: then there is none. */
export async function superviseMigration(
  qmp: QmpClient,
  limits: MigrationLimits,
  memoryMiB: number,
  over: AbortSignal,
): Promise<Verdict | undefined> {
  const judge = createMigrationMonitor(limits, memoryMiB);
  const began = performance.now();
  for (;;) {
    await delay(interval, undefined, { signal: over, ref: false }).catch(() => {});
    if (over.aborted) return undefined;
    const { ram } = await qmp
      .execute<{ ram?: { remaining: number } }>("query-migrate")
      .catch(() => ({ ram: undefined }));
    const verdict = ram && judge({ elapsedMs: performance.now() - began, remaining: ram.remaining });
    if (verdict !== undefined) return verdict;
  }
}
