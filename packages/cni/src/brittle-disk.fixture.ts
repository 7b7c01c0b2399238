import { renameSync, rmSync, writeFileSync } from "node:fs";
import type { Disk } from "./state-files.ts";

/** A real disk that can be full (nothing can be written) or read-only (nothing can be removed either). */
export interface BrittleDisk extends Disk {
  isFull: boolean;
  isReadOnly: boolean;
}

export function createBrittleDisk(): BrittleDisk {
  const refuse = (code: string) => {
    throw Object.assign(new Error(`${code}: the disk of this test`), { code });
  };
  const disk: BrittleDisk = {
    isFull: false,
    isReadOnly: false,
    replace(path, text, mode) {
      if (disk.isReadOnly) refuse("EROFS");
      if (disk.isFull) refuse("ENOSPC");
      writeFileSync(`${path}.tmp`, text, { mode });
      renameSync(`${path}.tmp`, path);
    },
    remove(path) {
      if (disk.isReadOnly) refuse("EROFS");
      rmSync(path, { force: true });
    },
  };
  return disk;
}
