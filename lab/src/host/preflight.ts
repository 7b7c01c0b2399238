import { mkdir, open, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { missingRequirements, searchedDirectories } from "../../../scripts/bootstrap/requirements.mjs";
import { cannotWrite, LabError } from "../error.ts";
import { logDirectory, outDirectory } from "../first/paths.ts";

/** `PATH` with the directories of system programs, which an ordinary user's may lack. */
export const searchPath = searchedDirectories().join(delimiter);

/** @throws LabError `MissingProgram` naming everything that is missing at once, and the packages that bring it */
export function requirePrograms(missing = missingRequirements()): void {
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((requirement) => requirement.package))];
  const list = missing.map(({ name, package: from }) => `${name} (Debian package ${from})`).join(", ");
  throw new LabError(
    "MissingProgram",
    `the lab needs ${list}; as root: apt-get install --no-install-recommends ${packages.join(" ")}`,
  );
}

/** Makes lab/out and writes to it, so that a full disk or missing rights show before anything is started. */
export async function requireSpace(): Promise<void> {
  const probe = join(outDirectory, ".space");
  try {
    await mkdir(logDirectory, { recursive: true });
    const file = await open(probe, "w");
    try {
      // Enough for the logs of a start.
      await file.writeFile(Buffer.alloc(1 << 20));
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw cannotWrite(outDirectory, cause);
  } finally {
    await rm(probe, { force: true }).catch(() => {});
  }
}
