import { createHash } from "node:crypto";
import { isIPv4 } from "node:net";
import { join } from "node:path";
import type { Attachment } from "./attachment.ts";
import { asHostPrefix } from "./result.ts";
import { createStateFiles, type FileReport, type StateFiles } from "./state-files.ts";

/** Status files are for everybody on the node to read. */
export const openStatusFiles = (report: FileReport): StateFiles =>
  createStateFiles({ report, mode: 0o644, directoryMode: 0o755 });

/** A file name has 255 bytes at most, and is written under one with `.tmp` at its end. */
const longestName = 251;

/**
 * Name of an endpoint's status file: the three parts of its key, escaped, joined by one space. Where that would be too long for a
 * file, a hash of it stands in place of its end, the last space included.
 */
export function statusFileName(attachment: Pick<Attachment, "pod" | "ifName">): string {
  const { namespace, name } = attachment.pod;
  const key = ["k8s", `${namespace}/${name}`, attachment.ifName].map(encodeURIComponent).join(" ");
  if (key.length <= longestName) return key;
  return `${key.slice(0, 200)}-${createHash("sha256").update(key).digest("hex").slice(0, 40)}`;
}

/**
 * Tells others on the node that the endpoint's policy is in force. To the reference's fields comes `containerID`, so that a
 * file left by an earlier pod of the same name is not taken for this one's.
 */
export function writeEndpointStatus(attachment: Attachment, files: StateFiles): void {
  const nets = (wanted: boolean) =>
    attachment.addresses.filter((address) => isIPv4(address) === wanted).map(asHostPrefix);
  const path = join(attachment.endpointStatusDir, statusFileName(attachment));
  const status = {
    ifaceName: attachment.hostInterface,
    mac: attachment.mac,
    ipv4Nets: nets(true),
    ipv6Nets: nets(false),
    containerID: attachment.containerId,
  };
  files.write(path, JSON.stringify(status));
}

/** Deletes an endpoint's status file; nothing happens when there is none. */
export function removeEndpointStatus(
  attachment: Pick<Attachment, "pod" | "ifName" | "endpointStatusDir">,
  files: StateFiles,
): void {
  files.remove(join(attachment.endpointStatusDir, statusFileName(attachment)));
}
