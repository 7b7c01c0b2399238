import { accessSync, constants } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { LabError, messageOf, systemCodeOf } from "../error.ts";
import { logDirectory, outDirectory } from "../first/paths.ts";

/** Programs the lab runs and the Debian packages they are in. */
const programs: Readonly<Record<string, string>> = {
  unshare: "util-linux",
  nsenter: "util-linux",
  mount: "mount",
  ip: "iproute2",
  sysctl: "procps",
  hostname: "hostname",
  bird: "bird2",
};

const searched = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** `PATH` with the directories of system programs, which an ordinary user's may lack. */
export const searchPath = searched.join(delimiter);

/** Whether a program is installed. */
export function isInstalled(program: string): boolean {
  return searched.some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @throws LabError `MissingProgram` naming every package at once */
export function requirePrograms(present: (program: string) => boolean = isInstalled): void {
  const missing = Object.keys(programs).filter((program) => !present(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => programs[program]))].join(" ");
  throw new LabError(
    "MissingProgram",
    `the lab needs ${missing.join(", ")}; run: apt-get install --no-install-recommends ${packages}`,
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
    if (systemCodeOf(cause) === "ENOSPC" || systemCodeOf(cause) === "EDQUOT")
      throw new LabError("DiskFull", `${outDirectory} is full; make room there and try again`, cause);
    throw new LabError("MissingPrivilege", `cannot write to ${outDirectory}: ${messageOf(cause)}`, cause);
  } finally {
    await rm(probe, { force: true }).catch(() => {});
  }
}
