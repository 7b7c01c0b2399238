import { isIP } from "node:net";
import { join } from "node:path";
import type {
  Attachment,
  AttachmentKey,
  AttachmentStep,
  AttachmentStore,
  Inheritance,
} from "./attachment.ts";
import { createStateFiles, type FileReport, type StateFiles } from "./state-files.ts";

const suffix = ".json";
const inheritedSuffix = ".inherited";
const fileOf = ({ containerId, ifName }: AttachmentKey) =>
  `${containerId}.${encodeURIComponent(ifName)}${suffix}`;
const keyOf = ({ containerId, ifName }: AttachmentKey) => `${containerId} ${ifName}`;

export interface AttachmentFilesOptions {
  readonly files?: StateFiles;
  /** The directory has been lost since the machine started: addresses may have been left of which nothing is noted. */
  readonly isLost?: boolean;
}

/**
 * Keeps attachments as one file each under `directory`. A file that cannot be used is put aside with the ending `.broken` and reported: the
 * kernel and the API tell what stood in it. What cannot be written is kept in memory, see {@link StateFiles}.
 */
export function openAttachmentFiles(
  directory: string,
  report: FileReport = () => {},
  { files = createStateFiles({ report }), isLost = false }: AttachmentFilesOptions = {},
): AttachmentStore {
  const known = new Map<string, Attachment>();
  for (const [file, text] of files.readAll(directory, suffix)) {
    if (text === undefined) continue;
    try {
      const attachment = asAttachment(JSON.parse(text));
      if (fileOf(attachment) !== file) throw new TypeError(`it is about ${keyOf(attachment)}`);
      known.set(keyOf(attachment), attachment);
    } catch (error) {
      files.putAside(join(directory, file), error);
    }
  }
  return {
    get: (key) => known.get(keyOf(key)),
    list: () => [...known.values()],
    put(attachment) {
      known.set(keyOf(attachment), attachment);
      files.write(join(directory, fileOf(attachment)), JSON.stringify(attachment));
    },
    delete(key) {
      known.delete(keyOf(key));
      files.remove(join(directory, fileOf(key)));
    },
    inheritance: openInheritance(directory, files, isLost),
  };
}

function openInheritance(directory: string, files: StateFiles, isLost: boolean): Inheritance {
  const known = new Map<string, string>();
  const settled = new Set<string>();
  const pathOf = (address: string) => join(directory, `${encodeURIComponent(address)}${inheritedSuffix}`);
  const leave = (address: string, vmUid: string) => {
    known.set(address, vmUid);
    files.write(pathOf(address), vmUid);
  };
  for (const [file, owner] of files.readAll(directory, inheritedSuffix)) {
    const address = addressIn(file);
    if (address === undefined) files.putAside(join(directory, file), new TypeError("its name is no address"));
    else if (owner !== undefined) known.set(address, owner);
    // An owner that cannot be read is nobody's: whoever has the address next inherits no connection.
    else leave(address, "");
  }
  return {
    ownerOf: (address) => known.get(address),
    mayLack: (address) => isLost && !settled.has(address),
    leave,
    settle(address) {
      if (isLost) settled.add(address);
      if (known.delete(address)) files.remove(pathOf(address));
    },
  };
}

function addressIn(file: string): string | undefined {
  try {
    const address = decodeURIComponent(file.slice(0, -inheritedSuffix.length));
    return isIP(address) === 0 ? undefined : address;
  } catch {
    // "%ZZ" is no encoded text.
    return undefined;
  }
}

const steps: readonly AttachmentStep[] = ["claimed", "addressed", "wired", "ready"];

/**
 * What an earlier or later release wrote: without the names and addresses nothing can be done with it, everything else has a value that does
 * no harm. @throws TypeError naming what is missing
 */
function asAttachment(value: unknown): Attachment {
  const given = (typeof value === "object" && value !== null ? value : {}) as Partial<Attachment>;
  const { containerId, ifName, hostInterface, network, pod, addresses } = given;
  const names = { containerId, ifName, hostInterface, network, namespace: pod?.namespace, name: pod?.name };
  for (const [field, text] of Object.entries(names))
    if (typeof text !== "string" || text === "") throw new TypeError(`${field} is missing`);
  if (!Array.isArray(addresses) || !addresses.every((one) => typeof one === "string" && isIP(one) !== 0))
    throw new TypeError("addresses is no list of addresses");
  const wired = Number.isSafeInteger(given.linkIndex) ? "wired" : "claimed";
  return {
    ...(given as Attachment),
    generation: Number.isSafeInteger(given.generation) ? given.generation! : 1,
    netns: typeof given.netns === "string" ? given.netns : "",
    pod: { namespace: pod!.namespace, name: pod!.name, uid: typeof pod!.uid === "string" ? pod!.uid : "" },
    role: given.role === "target" ? "target" : "workload",
    endpointStatusDir:
      typeof given.endpointStatusDir === "string"
        ? given.endpointStatusDir
        : "/var/run/calico/endpoint-status",
    step: steps.find((step) => step === given.step) ?? wired,
  };
}
