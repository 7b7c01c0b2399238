import { monotonicNow } from "./clock.ts";
import { QemuError } from "./error.ts";
import type { QmpClient, QmpEvent } from "./qmp.ts";

/** What one live migration cost, seen from its source. */
export interface MigrationResult {
  /** CLOCK_MONOTONIC nanoseconds: `migrate` was accepted. */
  readonly startedAt: bigint;
  /** CLOCK_MONOTONIC nanoseconds: the guest's processors stopped on the source. */
  readonly stoppedAt: bigint;
  /** Milliseconds from stop to the last byte sent, by QEMU's own reckoning. */
  readonly downtimeMs: number;
  /** Milliseconds for the whole of it, by QEMU's own reckoning. */
  readonly totalMs: number;
  /** Bytes of memory sent. */
  readonly bytes: number;
}

export interface MigrateOptions {
  /** Where QEMU writes the memory to, such as `unix:/run/x.sock` or `tcp:10.0.0.2:49152`. */
  readonly uri: string;
  /** Aborting cancels the migration; the guest goes on (or goes on again) on the source. */
  readonly signal: AbortSignal;
  /** Bytes a second; 0, the default, means as fast as possible. */
  readonly bandwidth?: number;
  /** Called when the copy has begun. */
  readonly onCopying?: () => void;
  /** Called with the guest stopped and nearly everything sent. A rejection fails the migration; the guest resumes here. */
  readonly beforeSwitchover?: () => Promise<void>;
}

const unlimited = 2 ** 62;

interface QueryMigrate {
  readonly status: string;
  readonly downtime?: number;
  readonly "total-time"?: number;
  readonly "error-desc"?: string;
  readonly ram?: { readonly transferred: number };
}

const statusOf = (event: QmpEvent) => (event.event === "MIGRATION" ? String(event.data.status) : undefined);

/**
 * Moves a machine's state out, as libvirt does it: with events, and with a pause of the source before the switchover.
 * Afterwards the source stands still (`postmigrate`) until it is killed.
 *
 * Throws {@link QemuError} `MigrationFailed`; the guest then runs on the source as if nothing had happened.
 */
export async function migrate(qmp: QmpClient, options: MigrateOptions): Promise<MigrationResult> {
  await setCapabilities(qmp, ["events", "pause-before-switchover"]);
  await qmp.execute("migrate-set-parameters", { "max-bandwidth": options.bandwidth || unlimited });
  let stoppedAt: bigint | undefined;
  const unsubscribe = qmp.subscribe((event) => {
    if (event.event === "STOP") stoppedAt = event.at;
  });
  const ends = new AbortController();
  const cancel = () => void qmp.execute("migrate_cancel").catch(() => {});
  try {
    const switching = new Promise<boolean>((resolve) => {
      qmp.ended.addEventListener("abort", () => resolve(false), { once: true });
      const unsubscribeStatus = qmp.subscribe((event) => {
        const status = statusOf(event);
        if (status === "active") options.onCopying?.();
        if (status === "pre-switchover") resolve(true);
        if (status === "completed" || status === "failed" || status === "cancelled") {
          unsubscribeStatus();
          resolve(false);
          ends.abort();
        }
      });
    });
    const startedAt = monotonicNow();
    await qmp.execute("migrate", { uri: options.uri });
    options.signal.addEventListener("abort", cancel, { once: true });
    if (options.signal.aborted) cancel();
    if (await switching) await switchOver(qmp, options);
    await aborted(AbortSignal.any([ends.signal, qmp.ended]));
    const outcome = await qmp.execute<QueryMigrate>("query-migrate");
    if (outcome.status !== "completed" || stoppedAt === undefined) {
      throw new QemuError(
        "MigrationFailed",
        outcome["error-desc"] ?? `The migration ended as ${outcome.status}.`,
      );
    }
    return {
      startedAt,
      stoppedAt,
      downtimeMs: outcome.downtime ?? 0,
      totalMs: outcome["total-time"] ?? 0,
      bytes: outcome.ram?.transferred ?? 0,
    };
  } catch (error) {
    if (!qmp.ended.aborted) await resumeIfStopped(qmp);
    throw error;
  } finally {
    unsubscribe();
    options.signal.removeEventListener("abort", cancel);
  }
}

async function switchOver(qmp: QmpClient, options: MigrateOptions): Promise<void> {
  try {
    await options.beforeSwitchover?.();
    options.signal.throwIfAborted();
  } catch (cause) {
    await qmp.execute("migrate_cancel");
    throw new QemuError("MigrationFailed", "The migration was given up before the switchover.", { cause });
  }
  await qmp.execute("migrate-continue", { state: "pre-switchover" });
}

async function resumeIfStopped(qmp: QmpClient): Promise<void> {
  const { status } = await qmp.execute<{ status: string }>("query-status");
  if (status === "paused" || status === "postmigrate") await qmp.execute("cont");
}

/** Readies a machine started with `incoming` to receive on the address. */
export async function receive(qmp: QmpClient, uri: string): Promise<void> {
  await setCapabilities(qmp, ["events", "late-block-activate"]);
  await qmp.execute("migrate-incoming", { uri });
}

/** Waits until all has arrived. Throws {@link QemuError} `MigrationFailed`, or `Timeout` when the signal aborts. */
export async function received(qmp: QmpClient, signal: AbortSignal): Promise<void> {
  const over = qmp.waitFor((event) => ["completed", "failed"].includes(statusOf(event) ?? ""), signal);
  over.catch(() => {});
  const { status } = await qmp.execute<QueryMigrate>("query-migrate");
  const ended = status === "completed" || status === "failed" ? status : statusOf(await over);
  if (ended !== "completed") throw new QemuError("MigrationFailed", "The incoming migration broke off.");
}

/** Lets the processors of a received machine run. Returns CLOCK_MONOTONIC nanoseconds of its RESUME. */
export async function resume(qmp: QmpClient, signal: AbortSignal): Promise<bigint> {
  const resumed = qmp.waitFor((event) => event.event === "RESUME", signal);
  resumed.catch(() => {});
  await qmp.execute("cont");
  return (await resumed).at;
}

async function setCapabilities(qmp: QmpClient, names: readonly string[]): Promise<void> {
  const capabilities = names.map((capability) => ({ capability, state: true }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
