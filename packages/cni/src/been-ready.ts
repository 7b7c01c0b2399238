import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Something that has happened since the machine started, and is forgotten when it starts again. */
export interface BootNote {
  isSet(): boolean;
  /** Nothing happens when it is set already. */
  set(): void;
}

export interface BootNoteOptions {
  readonly path: string;
  /** What could not be written; it is written with the next `set`. */
  readonly onError: (error: unknown) => void;
  /** Default `/proc/sys/kernel/random/boot_id`. */
  readonly bootIdFile?: string | undefined;
}

/** Keeps it in a file with the boot ID, so that a directory that is kept over a reboot does no harm. */
export function openBootNote(options: BootNoteOptions): BootNote {
  const { path, onError, bootIdFile = "/proc/sys/kernel/random/boot_id" } = options;
  const boot = readIfPresent(bootIdFile);
  let isWritten = boot !== undefined && readIfPresent(path) === boot;
  let isSet = isWritten;
  return {
    isSet: () => isSet,
    set() {
      isSet = true;
      if (isWritten || boot === undefined) return;
      try {
        writeFileSync(`${path}.tmp`, boot, { mode: 0o644 });
        renameSync(`${path}.tmp`, path);
        isWritten = true;
      } catch (error) {
        onError(error);
      }
    },
  };
}

/**
 * Whether the agent has been ready since the machine started. Then the data path is in the kernel and works without it, so STATUS calls the
 * node ready whatever the agent is doing now: Kubernetes evicts every pod of a node that is not.
 */
export type BeenReady = BootNote;

export interface BeenReadyOptions extends Omit<BootNoteOptions, "path"> {
  /** The messenger looks beside it for the file `been-ready`, and compares it with the boot ID (`messenger/fairlead-cni.c`). */
  readonly socketPath: string;
}

export const openBeenReady = ({ socketPath, ...options }: BeenReadyOptions): BeenReady =>
  openBootNote({ path: join(dirname(socketPath), "been-ready"), ...options });

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Missing, or a directory: then nobody has been ready.
    return undefined;
  }
}
