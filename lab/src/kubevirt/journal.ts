import { appendFileSync } from "node:fs";

/**
 * One line of `events.jsonl`: what QEMU did and when, for whoever measures a migration.
 * `at` is CLOCK_MONOTONIC in nanoseconds, as text because it exceeds what a JSON number holds exactly.
 */
export interface JournalEntry {
  readonly at: string;
  readonly event:
    | "booted"
    /** The source's `migrate` was accepted. */
    | "migration-started"
    /** The source's processors stopped (QEMU's own time stamp). */
    | "stopped"
    /** The target's processors run (QEMU's own time stamp). */
    | "resumed"
    /** It took too long: the guest is to run on the target before all of its memory is there. */
    | "post-copy"
    /** Given up because it made no progress or took too long. */
    | "migration-aborted"
    | "migration-completed"
    | "migration-failed";
  readonly vmi: string;
  readonly node: string;
  readonly pod: string;
  readonly migration?: string;
  /** With `migration-completed`: QEMU's figures. */
  readonly downtimeMs?: number;
  readonly totalMs?: number;
  readonly bytes?: number;
  readonly reason?: string;
}

export type Journal = (event: JournalEntry["event"], at: bigint, more?: Partial<JournalEntry>) => void;

/** Appends to the file; a line is one write, so several launchers can share it. */
export function openJournal(path: string, origin: Pick<JournalEntry, "vmi" | "node" | "pod">): Journal {
  return (event, at, more) =>
    appendFileSync(path, `${JSON.stringify({ at: String(at), event, ...origin, ...more })}\n`);
}
