import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { unpackPackages } from "../debian/unpack.ts";
import { QemuError } from "./error.ts";

const run = promisify(execFile);
const program = "qemu-system-x86_64";

/**
 * Before version 9.0 QEMU's emulation forgets writes of a guest that is being copied (upstream commit 03bfc2188f06): the
 * target resumes with a few stale pages and its kernel dies sooner or later.
 */
const soundSince = 9;

/** What runs the guest and is not a library: the machine, its firmware, and what loads a kernel into it. */
const packages = ["qemu-system-x86", "qemu-system-data", "seabios"];

/**
 * The QEMU to run guests with: the system's where it is sound, else the one of the release's backports, unpacked into the
 * cache (some 10 s the first time). The libraries it needs come with the system's own package. Throws {@link QemuError}
 * `MissingProgram`.
 */
export async function findQemu(options: { cache: string; signal?: AbortSignal }): Promise<string> {
  const into = join(options.cache, "qemu");
  const unpacked = join(into, "usr/bin", program);
  if (existsSync(unpacked)) return unpacked;
  if ((await majorVersion(program)) >= soundSince) return program;
  try {
    await unpackPackages({
      packages,
      into,
      fromBackports: true,
      ...(options.signal && { signal: options.signal }),
    });
    await majorVersion(unpacked);
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new QemuError(
      "MissingProgram",
      `QEMU ${soundSince} or newer is needed: older ones lose memory of an emulated guest that migrates. Debian's backports could not be had. See that the machine reaches its mirror, or install a newer QEMU.`,
      { cause },
    );
  }
  return unpacked;
}

async function majorVersion(path: string): Promise<number> {
  try {
    const { stdout } = await run(path, ["--version"]);
    return Number(/version (\d+)\./.exec(stdout)?.[1] ?? 0);
  } catch (cause) {
    throw new QemuError("MissingProgram", `${path} does not run. Install the package qemu-system-x86.`, {
      cause,
    });
  }
}
