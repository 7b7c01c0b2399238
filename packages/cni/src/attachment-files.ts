import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Attachment, AttachmentKey, AttachmentStore, Inheritance } from "./attachment.ts";

const suffix = ".json";
const inheritedSuffix = ".inherited";
const fileOf = ({ containerId, ifName }: AttachmentKey) =>
  `${containerId}.${encodeURIComponent(ifName)}${suffix}`;
const keyOf = ({ containerId, ifName }: AttachmentKey) => `${containerId} ${ifName}`;

/** Whether `value` has what DEL needs; everything else may have been written by another release. */
function isAttachment(value: unknown): value is Attachment {
  if (typeof value !== "object" || value === null) return false;
  const { containerId, ifName, hostInterface, network, pod, addresses } = value as Partial<Attachment>;
  return (
    [containerId, ifName, hostInterface, network, pod?.namespace, pod?.name].every(
      (text) => typeof text === "string",
    ) && Array.isArray(addresses)
  );
}

/**
 * Keeps attachments as one file each under `directory`, replaced by rename, so that a file is always whole. A file that
 * cannot be read is put aside with the ending `.broken` and reported.
 */
export function openAttachmentFiles(
  directory: string,
  report: (file: string, error: unknown) => void = () => {},
): AttachmentStore {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const known = new Map<string, Attachment>();
  const inherited = new Map<string, string>();
  for (const file of readdirSync(directory)) {
    const path = join(directory, file);
    if (file.endsWith(".tmp")) rmSync(path, { force: true });
    if (file.endsWith(inheritedSuffix)) {
      // An owner that cannot be read is nobody's: then all is forgotten.
      const address = decodeURIComponent(file.slice(0, -inheritedSuffix.length));
      inherited.set(address, readFileSync(path, "utf8"));
    }
    if (!file.endsWith(suffix)) continue;
    try {
      const value: unknown = JSON.parse(readFileSync(path, "utf8"));
      if (!isAttachment(value)) throw new TypeError("fields are missing");
      known.set(keyOf(value), value);
    } catch (error) {
      renameSync(path, `${path}.broken`);
      report(path, error);
    }
  }
  return {
    get: (key) => known.get(keyOf(key)),
    list: () => [...known.values()],
    put(attachment) {
      const path = join(directory, fileOf(attachment));
      writeFileSync(`${path}.tmp`, JSON.stringify(attachment), { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
      known.set(keyOf(attachment), attachment);
    },
    delete(key) {
      rmSync(join(directory, fileOf(key)), { force: true });
      known.delete(keyOf(key));
    },
    inheritance: openInheritance(directory, inherited),
  };
}

function openInheritance(directory: string, known: Map<string, string>): Inheritance {
  const pathOf = (address: string) => join(directory, `${encodeURIComponent(address)}${inheritedSuffix}`);
  return {
    ownerOf: (address) => known.get(address),
    leave(address, vmUid) {
      writeFileSync(pathOf(address), vmUid, { mode: 0o600 });
      known.set(address, vmUid);
    },
    settle(address) {
      if (!known.delete(address)) return;
      rmSync(pathOf(address), { force: true });
    },
  };
}
