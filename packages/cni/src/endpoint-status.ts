import { isIPv4 } from "node:net";
import { join } from "node:path";
import type { Attachment } from "./attachment.ts";
import { asHostPrefix } from "./result.ts";
import { createStateFiles, type FileReport, type StateFiles } from "./state-files.ts";

/** Status files are for everybody on the node to read. */
export const openStatusFiles = (report: FileReport): StateFiles =>
  createStateFiles({ report, mode: 0o644, directoryMode: 0o755 });

/** Name of an endpoint's status file: the three parts of its key, escaped, joined by one space. */
export function statusFileName(attachment: Pick<Attachment, "pod" | "ifName">): string {
  const { namespace, name } = attachment.pod;
  return ["k8s", `${namespace}/${name}`, attachment.ifName].map(encodeURIComponent).join(" ");
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
