import { basename, dirname } from "node:path";
import type { StateFiles } from "@fairlead/cni";
import type { SimulatedProcess } from "./process.fixture.ts";

/** The disk of a node: files outlive the agent, but may be lost, and may not be writable. */
export class NodeDisk {
  readonly #files = new Map<string, string>();
  isFull = false;
  #wasWiped = false;

  /** Everything is gone. */
  wipe(): void {
    this.#files.clear();
    this.#wasWiped = true;
  }

  /** Whether files have been lost since the last who asked this. */
  isLost(): boolean {
    const wasWiped = this.#wasWiped;
    this.#wasWiped = false;
    return wasWiped;
  }

  /** The files as one process has them: what cannot be written is owed, and lost when the process dies. */
  files(process: SimulatedProcess): StateFiles {
    const stored = this.#files;
    /** What a file should hold; undefined: it should not be there. */
    const owed = new Map<string, string | undefined>();
    const apply = (path: string, text: string | undefined) => {
      if (text === undefined) stored.delete(path);
      else stored.set(path, text);
      owed.delete(path);
    };
    const change = (path: string, text: string | undefined) => {
      if (!process.effect()) return;
      if (this.isFull) owed.set(path, text);
      else apply(path, text);
    };
    const read = (path: string) => (owed.has(path) ? owed.get(path) : stored.get(path));
    return {
      write: change,
      remove: (path) => change(path, undefined),
      read,
      readAll(directory, ending) {
        const paths = [...stored.keys()].filter(
          (path) => dirname(path) === directory && path.endsWith(ending),
        );
        return new Map(paths.map((path) => [basename(path), read(path)]));
      },
      putAside: (path) => change(path, undefined),
      retry: () => {
        if (!this.isFull && process.effect()) for (const [path, text] of owed) apply(path, text);
      },
      owed: () => [...owed.keys()],
    };
  }
}
