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
  /** Given when the guest may be resumed on the target before its memory is there. The target has to be readied for it. */
  readonly postCopy?: PostCopy;
}

/** How a copy may become a post-copy. */
export interface PostCopy {
  /**
   * Aborting it switches: the guest stops here and goes on there, and the memory it lacks follows. From then on
   * {@link MigrateOptions.signal} has no effect: to cancel a post-copy is to lose the guest.
   */
  readonly from: AbortSignal;
  /** Bytes a second after the switch, besides the pages the guest waits for; 0, the default, means as fast as possible. */
  readonly bandwidth?: number;
  /** Called when the guest has left. */
  readonly onSwitched?: () => void;
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

/** Statuses from which a migration does not go on by itself. */
const ends: ReadonlySet<string | undefined> = new Set([
  "completed",
  "failed",
  "cancelled",
  "postcopy-paused",
]);

/**
 * Moves a machine's state out. Afterwards the source stands still (`postmigrate`) until it is killed. Only with
 * `beforeSwitchover` does QEMU wait for us while the guest is stopped: our round trip would lengthen its pause.
 *
 * Throws {@link QemuError} `MigrationFailed`; the guest then runs on the source as if nothing had happened. Throws
 * `GuestLost` when a post-copy breaks off after its switch: no side has all of the guest, and neither may run it.
 */
export async function migrate(qmp: QmpClient, options: MigrateOptions): Promise<MigrationResult> {
  await setCapabilities(qmp, {
    ...common,
    "pause-before-switchover": options.beforeSwitchover !== undefined,
    "postcopy-ram": options.postCopy !== undefined,
  });
  await qmp.execute("migrate-set-parameters", {
    "max-bandwidth": options.bandwidth || unlimited,
    "max-postcopy-bandwidth": options.postCopy?.bandwidth ?? 0,
    "downtime-limit": downtimeLimits.first,
  });
  let isLeaving = false;
  let hasLeft = false;
  let stoppedAt: bigint | undefined;
  const unsubscribe = qmp.subscribe((event) => {
    if (event.event === "STOP") stoppedAt = event.at;
  });
  const over = new AbortController();
  const concede = setTimeout(() => {
    qmp.execute("migrate-set-parameters", { "downtime-limit": downtimeLimits.second }).catch(() => {});
  }, downtimeLimits.secondAfterMs);
  const cancel = () => {
    if (!isLeaving) void qmp.execute("migrate_cancel").catch(() => {});
  };
  const leave = () => {
    isLeaving = true;
    void qmp.execute("migrate-start-postcopy").catch(() => {});
  };
  try {
    const switching = new Promise<boolean>((resolve) => {
      qmp.ended.addEventListener("abort", () => resolve(false), { once: true });
      const unsubscribeStatus = qmp.subscribe((event) => {
        const status = statusOf(event);
        if (status === "active") options.onCopying?.();
        if (status === "pre-switchover") resolve(true);
        if (status === "postcopy-active") {
          hasLeft = true;
          options.postCopy?.onSwitched?.();
        }
        if (ends.has(status)) {
          unsubscribeStatus();
          resolve(false);
          over.abort();
        }
      });
    });
    const startedAt = monotonicNow();
    await qmp.execute("migrate", { uri: options.uri });
    options.signal.addEventListener("abort", cancel, { once: true });
    if (options.signal.aborted) cancel();
    options.postCopy?.from.addEventListener("abort", leave, { once: true });
    if (options.postCopy?.from.aborted) leave();
    if (await switching) await switchOver(qmp, options);
    await aborted(AbortSignal.any([over.signal, qmp.ended]));
    const outcome = await readOutcome(qmp);
    if (outcome.status !== "completed" || stoppedAt === undefined) {
      throw new QemuError(
        hasLeft ? "GuestLost" : "MigrationFailed",
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
    if (!qmp.ended.aborted && !hasLeft) await resumeIfStopped(qmp);
    throw error;
  } finally {
    clearTimeout(concede);
    unsubscribe();
    options.signal.removeEventListener("abort", cancel);
    options.postCopy?.from.removeEventListener("abort", leave);
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

/** What a machine that receives has to tell, each once. */
export interface Arrival {
  /** CLOCK_MONOTONIC nanoseconds of the RESUME: the guest runs here. Rejects when it never will. */
  readonly resumed: Promise<bigint>;
  /** All of its memory is here: in a post-copy long after the guest. Rejects when some of it never will be. */
  readonly completed: Promise<void>;
}

/**
 * Readies a machine started with `incoming` to receive on the address. The processors run as soon as everything has
 * arrived, or at the switch of a post-copy, which `postCopy` makes possible. Both promises reject with {@link QemuError}:
 * `MigrationFailed` before the guest runs, `GuestLost` after.
 */
export async function receive(
  qmp: QmpClient,
  uri: string,
  { postCopy = false }: { readonly postCopy?: boolean } = {},
): Promise<Arrival> {
  await setCapabilities(qmp, { ...common, "late-block-activate": true, "postcopy-ram": postCopy });
  const broken = new Set(["failed", "postcopy-paused"]);
  const next = (event: string) => (message: QmpEvent) =>
    message.event === event || statusOf(message) === event || broken.has(statusOf(message) ?? "");
  // The processors start on their own, before QEMU calls the migration completed.
  const resumed = qmp.waitFor(next("RESUME"), qmp.ended).then((message) => {
    if (message.event === "RESUME") return message.at;
    throw new QemuError("MigrationFailed", "The incoming migration broke off.");
  });
  const completed = qmp.waitFor(next("completed"), qmp.ended).then(async (message) => {
    await resumed;
    if (statusOf(message) === "completed") return;
    throw new QemuError("GuestLost", "The guest runs here, and some of its memory never arrived.");
  });
  resumed.catch(() => {});
  completed.catch(() => {});
  await qmp.execute("migrate-incoming", { uri });
  return { resumed, completed };
}

async function setCapabilities(qmp: QmpClient, states: Readonly<Record<string, boolean>>): Promise<void> {
  const capabilities = Object.entries(states).map(([capability, state]) => ({ capability, state }));
  await qmp.execute("migrate-set-capabilities", { capabilities });
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
