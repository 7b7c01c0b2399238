import { link, readFile, rm, writeFile } from "node:fs/promises";
import { cannotWrite, LabError, systemCodeOf } from "../error.ts";
import { startFile } from "../first/paths.ts";
import { startTimeOf } from "../process.ts";

/** Who starts a lab: a process of the host. */
interface Starter {
  readonly pid: number;
  readonly startTime: string;
}

/**
 * Reserves an output directory for one start, so that two cannot start a lab in it at once. A claim whose process died counts
 * for nothing. Disposing gives it back.
 *
 * @throws LabError `AlreadyRunning` naming the process that starts a lab here
 */
export async function claimStart(path = startFile): Promise<AsyncDisposable> {
  const own = `${path}.${process.pid}`;
  const starter: Starter = { pid: process.pid, startTime: startTimeOf(process.pid)! };
  try {
    await writeFile(own, JSON.stringify(starter));
    // Complete from its first moment on, and for one of several only.
    while (!(await linked(own, path))) {
      const other = await holderOf(path);
      if (other !== undefined)
        throw new LabError(
          "AlreadyRunning",
          `a lab is being started here (process ${other.pid}); wait for it, or set FAIRLEAD_LAB_OUT to another directory`,
        );
      await rm(path, { force: true });
    }
  } catch (error) {
    throw error instanceof LabError ? error : cannotWrite(path, error);
  } finally {
    await rm(own, { force: true });
  }
  return { [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (systemCodeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** The living process that holds the claim. */
async function holderOf(path: string): Promise<Starter | undefined> {
  try {
    const starter = JSON.parse(await readFile(path, "utf8")) as Starter;
    return startTimeOf(starter.pid) === starter.startTime ? starter : undefined;
  } catch {
    return undefined;
  }
}
