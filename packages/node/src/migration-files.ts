import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Attachment } from "@fairlead/cni";
import { type MigrationRecord, transitions } from "./migration.ts";
import type { MigrationMemory } from "./migrations.ts";

/** Two small files for each container, state and guest's MAC, replaced by rename. Unreadable files count as lost. */
export function openMigrationFiles(
  directory: string,
  onError: (path: string, error: unknown) => void = () => {},
): MigrationMemory {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const pathOf = ({ containerId, ifName }: Attachment, ending = "json") =>
    join(directory, `${containerId}.${encodeURIComponent(ifName)}.${ending}`);
  const write = (path: string, text: string) =>
    attempt(path, () => {
      writeFileSync(`${path}.tmp`, text, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    });
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
    save: (attachment, record) => void write(pathOf(attachment), JSON.stringify(record)),
    loadMac(attachment) {
      const path = pathOf(attachment, "mac");
      const text = attempt(path, () => readFileSync(path, "utf8"));
      return text !== undefined && macPattern.test(text) ? text : undefined;
    },
    saveMac: (attachment, mac) => void write(pathOf(attachment, "mac"), mac),
    forget(attachment) {
      for (const path of [pathOf(attachment), pathOf(attachment, "mac")])
        attempt(path, () => rmSync(path, { force: true }));
    },
  };
}

const macPattern = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

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
  const macs = new Map<string, string>();
  return {
    load: ({ containerId }) => records.get(containerId),
    save: ({ containerId }, record) => void records.set(containerId, record),
    loadMac: ({ containerId }) => macs.get(containerId),
    saveMac: ({ containerId }, mac) => void macs.set(containerId, mac),
    forget({ containerId }) {
      records.delete(containerId);
      macs.delete(containerId);
    },
  };
}
