import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Whether the agent has been ready since the machine started. Then the data path is in the kernel and works without it, so STATUS calls the
 * node ready whatever the agent is doing now: Kubernetes evicts every pod of a node that is not.
 */
export interface BeenReady {
  isSet(): boolean;
  /** Nothing happens when it is set already. */
  set(): void;
}

export interface BeenReadyOptions {
  /** The messenger looks beside it for the file. */
  readonly socketPath: string;
  /** What could not be written; it is written with the next `set`. */
  readonly onError: (error: unknown) => void;
  /** Default `/proc/sys/kernel/random/boot_id`. */
  readonly bootIdFile?: string;
}

/**
 * Keeps it in the file `been-ready` beside the agent's socket. The directory is in memory; should it be kept over a reboot all the same, the
 * boot ID in the file tells. The messenger (`messenger/fairlead-cni.c`) compares the two files byte by byte.
 */
export function openBeenReady(options: BeenReadyOptions): BeenReady {
  const { socketPath, onError, bootIdFile = "/proc/sys/kernel/random/boot_id" } = options;
  const path = join(dirname(socketPath), "been-ready");
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

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Missing, or a directory: then nobody has been ready.
    return undefined;
  }
}
