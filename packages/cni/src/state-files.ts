import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

/** Told of a file that was put aside, or that could not be read or written. */
export type FileReport = (path: string, error: unknown) => void;

/**
 * Small files that help the next start, in a directory that may be full, read-only, lost or littered. Nothing here throws: what cannot be noted is
 * done without the note, because a pod that cannot end for want of a note is worse than a note that has to be rebuilt.
 *
 * What could not be written or removed is owed: it is remembered, read back from memory, and written as soon as that is possible.
 */
export interface StateFiles {
  /** Replaces a file by rename, so that it is always whole. Makes its directory; whatever stands in the way is put aside. */
  write(path: string, text: string): void;
  /** Nothing happens when there is none. */
  remove(path: string): void;
  /** Undefined when there is none, or none that can be read. */
  read(path: string): string | undefined;
  /**
   * Texts of the files of a directory with that ending, by name. Others with that ending (directories, links, huge or unreadable ones) have
   * the text undefined and are put aside; what a run that died left half written is removed.
   */
  readAll(directory: string, ending: string): ReadonlyMap<string, string | undefined>;
  /** Renames a file that nobody can use to `<name>.broken` and reports why. */
  putAside(path: string, error: unknown): void;
  /** Writes what is owed, if it can be written by now. */
  retry(): void;
  /** Paths whose last change is only in memory. */
  owed(): readonly string[];
}

export interface StateFilesOptions {
  readonly report?: FileReport;
  /** Permissions of files. Default 0600; of directories 0700. */
  readonly mode?: number;
  readonly directoryMode?: number;
  /** Replaces and removes files; tests make them fail. */
  readonly disk?: Pick<Disk, "replace" | "remove">;
}

/** The two changes of a file, each throwing what the system says. */
export interface Disk {
  replace(path: string, text: string, mode: number): void;
  remove(path: string): void;
}

/** No note of ours comes near it. */
const longest = 1 << 20;

const realDisk: Disk = {
  replace(path, text, mode) {
    try {
      writeFileSync(`${path}.tmp`, text, { mode });
      renameSync(`${path}.tmp`, path);
    } catch (error) {
      // Half a file would only take up the space that is missing.
      rmSync(`${path}.tmp`, { force: true, recursive: true });
      throw error;
    }
  },
  remove: (path) => rmSync(path, { force: true }),
};

export function createStateFiles(options: StateFilesOptions = {}): StateFiles {
  const { report = () => {}, mode = 0o600, directoryMode = 0o700, disk = realDisk } = options;
  /** The text that a file should have; undefined: it should not be there. */
  const owed = new Map<string, string | undefined>();

  function change(path: string, text: string | undefined): void {
    const wasOwed = owed.has(path);
    try {
      apply(path, text);
      owed.delete(path);
    } catch (error) {
      owed.set(path, text);
      if (!wasOwed) report(path, error);
      return;
    }
    if (owed.size > 0) retry();
  }

  function apply(path: string, text: string | undefined): void {
    const act = () => (text === undefined ? disk.remove(path) : disk.replace(path, text, mode));
    try {
      act();
    } catch (error) {
      if (!isObstacle(error)) throw error;
      clearWay(path, error);
      act();
    }
  }

  /** Once: what still fails then is owed. */
  function clearWay(path: string, error: unknown): void {
    for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
      if (kindOf(at) === "other") putAside(at, error);
    }
    mkdirSync(dirname(path), { recursive: true, mode: directoryMode });
    if (kindOf(path) === "directory") putAside(path, error);
  }

  function putAside(path: string, error: unknown): void {
    report(path, error);
    try {
      renameSync(path, `${path}.broken`);
    } catch {
      // It stays where it is and is met again at the next start; the report has been made.
    }
  }

  function retry(): void {
    const stuck = new Set<string>();
    for (const [path, text] of owed) {
      if (stuck.has(dirname(path))) continue;
      try {
        apply(path, text);
        owed.delete(path);
      } catch {
        // Reported when it was owed first. The others of its directory would meet the same; those of another may not.
        stuck.add(dirname(path));
      }
    }
  }

  function tryRead(path: string): string | undefined {
    try {
      return readSmallFile(path);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") putAside(path, error);
      return undefined;
    }
  }

  return {
    write: change,
    remove: (path) => change(path, undefined),
    read: (path) => (owed.has(path) ? owed.get(path) : tryRead(path)),
    readAll(directory, ending) {
      const texts = new Map<string, string | undefined>();
      for (const name of namesIn(directory)) {
        const path = join(directory, name);
        if (name.endsWith(".tmp")) removeLeftover(path);
        if (name.endsWith(ending)) texts.set(name, tryRead(path));
      }
      return texts;
    },
    putAside,
    retry,
    owed: () => [...owed.keys()],
  };

  function namesIn(directory: string): readonly string[] {
    try {
      return readdirSync(directory);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") report(directory, error);
      return [];
    }
  }

  function removeLeftover(path: string): void {
    try {
      rmSync(path, { force: true, recursive: true });
    } catch (error) {
      report(path, error);
    }
  }
}

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code;

/** Something else has the name of a file or of its directory, or the directory is missing. */
const isObstacle = (error: unknown) =>
  ["ENOENT", "EEXIST", "EISDIR", "ERR_FS_EISDIR", "ENOTDIR", "ELOOP"].includes(codeOf(error) ?? "");

/** `other`: neither a directory nor a link to one. */
function kindOf(path: string): "directory" | "other" | "nothing" {
  try {
    lstatSync(path);
  } catch {
    return "nothing";
  }
  try {
    return statSync(path).isDirectory() ? "directory" : "other";
  } catch {
    // A link that leads nowhere.
    return "other";
  }
}

/**
 * Reads a file of a directory that may be littered.
 *
 * @throws what the system says, or RangeError for what is no regular file of at most 1 MiB
 */
export function readSmallFile(path: string): string {
  // A link may lead anywhere, a pipe may never answer.
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    if (!stat.isFile()) throw new RangeError(`${basename(path)} is no regular file`);
    if (stat.size > longest)
      throw new RangeError(`${basename(path)} has ${stat.size} bytes, more than ${longest}`);
    const bytes = Buffer.alloc(stat.size);
    return bytes.toString("utf8", 0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}
