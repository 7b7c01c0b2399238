import { execFile } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { unpackPackages } from "../debian/unpack.ts";
import { LabError } from "../error.ts";
import { defaultCache } from "../qemu/index.ts";

const run = promisify(execFile);

/** FRR, and those of its libraries that no package the lab needs anyway brings. */
const packages = ["frr", "libyang2", "libjson-c5"];

/** Where FRR lies, as Debian's packages lay it out below `/`. Nothing of it is installed on the host. */
export const frrTree = join(defaultCache, "frr");

/** Preloaded into FRR's daemons where supplementary groups cannot be set; see `setgroups.c`. A path on the machine. */
export const setgroupsLibrary = "/usr/lib/frr/setgroups.so";

/**
 * Brings FRR into the cache: some seconds the first time, then it only looks. @throws LabError `StartFailed`
 */
export async function prepareFrr(signal?: AbortSignal): Promise<void> {
  const execution = { ...(signal && { signal }) };
  try {
    if (!existsSync(join(frrTree, "usr/lib/frr/zebra")))
      await unpackPackages({ packages, into: frrTree, ...execution });
    const library = join(frrTree, setgroupsLibrary);
    if (existsSync(library)) return;
    const staged = `${library}.${process.pid}`;
    const source = join(import.meta.dirname, "setgroups.c");
    await run("gcc", ["-shared", "-fPIC", "-O2", "-o", staged, source], { timeout: 60_000, ...execution });
    renameSync(staged, library);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new LabError(
      "StartFailed",
      `a machine of this topology runs FRR, and Debian's package frr could not be had. Run "apt-get update" and see that the machine reaches its Debian mirror.`,
      cause,
    );
  }
}
