import { setTimeout as delay } from "node:timers/promises";
import { monotonicNow } from "./clock.ts";
import { QemuError } from "./error.ts";
import type { QmpClient, QmpEvent } from "./qmp.ts";

/** What one live migration cost, seen from its source. */
export interface MigrationResult {
  /** CLOCK_MONOTONIC nanoseconds: `migrate` was accepted. */
  readonly startedAt: bigint;
  /** CLOCK_MONOTONIC nanoseconds: the guest's processors stopped on the source. */
  readonly stoppedAt: bigint;
  /** Milliseconds from stop until the target has said that it runs, by QEMU's own reckoning. */
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

/**
 * What libvirt switches on for both sides of every migration. On the return path the target says whether it runs: a source
 * that does not hear it resumes its guest, and the pause that is reported lasts until then.
 */
const common = { events: true, "return-path": true } as const;

/**
 * How long a pause QEMU may plan for, in milliseconds. Its own default comes last: a sender of TCP towards a guest that
 * stands still for longer than its congestion window lasts waits for its retransmission timer, whatever the network does.
 */
const downtimeLimits = { first: 30, second: 300, secondAfterMs: 3_000 } as const;

interface QueryMigrate {
  readonly status: string;
  readonly downtime?: number;
  readonly "total-time"?: number;
  readonly "error-desc"?: string;
  readonly ram?: { readonly transferred: number };
}

const statusOf = (event: QmpEvent) => (event.event === "MIGRATION" ? String(event.data.status) : undefined);

/**
 * Moves a machine's state out. Afterwards the source stands still (`postmigrate`) until it is killed. Only with
 * `beforeSwitchover` does QEMU wait for us while the guest is stopped: our round trip would lengthen its pause.
 *
 * Throws {@link QemuError} `MigrationFailed`; the guest then runs on the source as if nothing had happened.
 */
export async function migrate(qmp: QmpClient, options: MigrateOptions): Promise<MigrationResult> {
  await setCapabilities(qmp, {
    ...common,
    "pause-before-switchover": options.beforeSwitchover !== undefined,
  });
  await qmp.execute("migrate-set-parameters", {
    "max-bandwidth": options.bandwidth || unlimited,
    "downtime-limit": downtimeLimits.first,
  });
  let stoppedAt: bigint | undefined;
  const unsubscribe = qmp.subscribe((event) => {
    if (event.event === "STOP") stoppedAt = event.at;
  });
  const ends = new AbortController();
  const concede = setTimeout(() => {
    qmp.execute("migrate-set-parameters", { "downtime-limit": downtimeLimits.second }).catch(() => {});
  }, downtimeLimits.secondAfterMs);
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
    const outcome = await readOutcome(qmp);
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
    clearTimeout(concede);
    unsubscribe();
    options.signal.removeEventListener("abort", cancel);
  }
}

/** QEMU says "completed" a moment before it has reckoned what it cost. */
async function readOutcome(qmp: QmpClient): Promise<QueryMigrate> {
  for (;;) {
    const outcome = await qmp.execute<QueryMigrate>("query-migrate");
    if (outcome.status !== "completed" || outcome["total-time"]) return outcome;
    await delay(1);
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

/**
 * Readies a machine started with `incoming` to receive on the address. The returned promise resolves with CLOCK_MONOTONIC
 * nanoseconds of the RESUME: the processors run as soon as everything has arrived. It rejects with {@link QemuError}
 * `MigrationFailed` when the migration breaks off.
 */
export async function receive(qmp: QmpClient, uri: string): Promise<{ resumed: Promise<bigint> }> {
  await setCapabilities(qmp, { ...common, "late-block-activate": true });
  const resumed = arrival(qmp);
  resumed.catch(() => {});
  await qmp.execute("migrate-incoming", { uri });
  return { resumed };
}

/** The processors start on their own, before QEMU calls the migration completed. */
async function arrival(qmp: QmpClient): Promise<bigint> {
  const over = await qmp.waitFor(
    (event) => event.event === "RESUME" || statusOf(event) === "failed",
    qmp.ended,
  );
  if (over.event !== "RESUME") {
    throw new QemuError("MigrationFailed", "The incoming migration broke off.");
  }
  return over.at;
}

async function setCapabilities(qmp: QmpClient, states: Readonly<Record<string, boolean>>): Promise<void> {
  const capabilities = Object.entries(states).map(([capability, state]) => ({ capability, state }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
