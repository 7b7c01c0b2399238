import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cannotWrite } from "../error.ts";

/**
 * Writes files by name into a directory: all of them, or none and what was there before stays.
 * @throws LabError `DiskFull`, `MissingPrivilege`
 */
export function writeFiles(directory: string, files: Readonly<Record<string, string>>): void {
  const paths = Object.keys(files).map((name) => join(directory, name));
  const next = (path: string) => `${path}.next`;
  try {
    mkdirSync(directory, { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(next(join(directory, name)), text);
    for (const path of paths) renameSync(next(path), path);
  } catch (error) {
    for (const path of paths) rmSync(next(path), { force: true });
    throw cannotWrite(directory, error);
  }
}
