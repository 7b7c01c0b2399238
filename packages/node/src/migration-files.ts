import { join } from "node:path";
import { type Attachment, createStateFiles, type FileReport, type StateFiles } from "@fairlead/cni";
import { type MigrationRecord, transitions } from "./migration.ts";
import type { MigrationMemory } from "./migration-components.ts";

/** Two small files for each container, state and guest's MAC. Unreadable ones count as lost, see {@link StateFiles}. */
export function openMigrationFiles(
  directory: string,
  onError: FileReport = () => {},
  files: StateFiles = createStateFiles({ report: onError }),
): MigrationMemory {
  const pathOf = ({ containerId, ifName }: Attachment, ending = "json") =>
    join(directory, `${containerId}.${encodeURIComponent(ifName)}.${ending}`);
  return {
    load(attachment) {
      const path = pathOf(attachment);
      const text = files.read(path);
      if (text === undefined) return undefined;
      try {
        const value: unknown = JSON.parse(text);
        if (isRecord(value)) return value;
        throw new TypeError("not a migration record");
      } catch (error) {
        onError(path, error);
        return undefined;
      }
    },
    save: (attachment, record) => files.write(pathOf(attachment), JSON.stringify(record)),
    loadMac(attachment) {
      const text = files.read(pathOf(attachment, "mac"));
      return text !== undefined && macPattern.test(text) ? text : undefined;
    },
    saveMac: (attachment, mac) => files.write(pathOf(attachment, "mac"), mac),
    forget(attachment) {
      files.remove(pathOf(attachment));
      files.remove(pathOf(attachment, "mac"));
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
