import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Attachment } from "@fairlead/cni";
import { type MigrationRecord, transitions } from "./migration.ts";
import type { MigrationMemory } from "./migrations.ts";

/** One small file for each container, replaced by rename. Unreadable files count as lost. */
export function openMigrationFiles(
  directory: string,
  onError: (path: string, error: unknown) => void = () => {},
): MigrationMemory {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const pathOf = ({ containerId, ifName }: Attachment) =>
    join(directory, `${containerId}.${encodeURIComponent(ifName)}.json`);
  const attempt = <T>(path: string, work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) onError(path, error);
      return undefined;
    }
  };
  return {
    load(attachment) {
      const path = pathOf(attachment);
      return attempt(path, () => {
        const value: unknown = JSON.parse(readFileSync(path, "utf8"));
        if (isRecord(value)) return value;
        throw new TypeError("not a migration record");
      });
    },
    save(attachment, record) {
      const path = pathOf(attachment);
      attempt(path, () => {
        writeFileSync(`${path}.tmp`, JSON.stringify(record), { mode: 0o600 });
        renameSync(`${path}.tmp`, path);
      });
    },
    forget(attachment) {
      const path = pathOf(attachment);
      attempt(path, () => rmSync(path, { force: true }));
    },
  };
}

function isRecord(value: unknown): value is MigrationRecord {
  if (typeof value !== "object" || value === null) return false;
  const { state, epoch, until, migration } = value as Partial<Record<keyof MigrationRecord, unknown>>;
  const known = typeof state === "string" && Object.hasOwn(transitions, state);
  const identity = migration as { uid?: unknown; createdAt?: unknown } | undefined;
  const named =
    identity === undefined || (typeof identity?.uid === "string" && typeof identity.createdAt === "string");
  return known && named && Number.isSafeInteger(epoch) && (until === undefined || Number.isFinite(until));
}

/** Forgets on exit, for tests. */
export function createFakeMigrationMemory(): MigrationMemory {
  const records = new Map<string, MigrationRecord>();
  return {
    load: ({ containerId }) => records.get(containerId),
    save: ({ containerId }, record) => void records.set(containerId, record),
    forget: ({ containerId }) => void records.delete(containerId),
  };
}
