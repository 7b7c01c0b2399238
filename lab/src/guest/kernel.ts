import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { GuestError } from "./error.ts";

const run = promisify(execFile);

/** Debian's kernel for clouds, unpacked. */
export interface GuestKernel {
  /** Release, such as `6.1.0-56-cloud-amd64`. */
  readonly release: string;
  /** Path of the compressed kernel image. */
  readonly image: string;
  /** Directory of its modules, `.../lib/modules/<release>/kernel`. */
  readonly modules: string;
}

const metapackage = "linux-image-cloud-amd64";

/** The unpacked kernel below `directory`, or undefined. */
export function findKernel(directory: string): GuestKernel | undefined {
  const boot = join(directory, "boot");
  const image = existsSync(boot) ? readdirSync(boot).find((name) => name.startsWith("vmlinuz-")) : undefined;
  if (image === undefined) return undefined;
  const release = image.slice("vmlinuz-".length);
  return { release, image: join(boot, image), modules: join(directory, "lib/modules", release, "kernel") };
}

/**
 * Downloads the kernel package with `apt-get download` and unpacks it with `dpkg -x` into the cache; nothing is
 * installed. The second call only looks. Throws {@link GuestError} `KernelUnavailable`.
 */
export async function fetchKernel(cache: string, signal?: AbortSignal): Promise<GuestKernel> {
  const unpacked = join(cache, "kernel");
  const found = findKernel(unpacked);
  if (found) return found;
  mkdirSync(cache, { recursive: true });
  const staging = mkdtempSync(join(cache, "kernel-"));
  const options = { cwd: staging, timeout: 300_000, ...(signal && { signal }) };
  try {
    const { stdout } = await run("apt-cache", ["depends", "--important", metapackage], options);
    const concrete = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
    if (concrete === undefined) throw new Error(`${metapackage} depends on no linux-image package`);
    await run("apt-get", ["download", "-q", "-o", "APT::Sandbox::User=root", concrete], options);
    const archive = readdirSync(staging).find((name) => name.endsWith(".deb"));
    if (archive === undefined) throw new Error(`apt-get download ${concrete} wrote no file`);
    await run("dpkg", ["-x", archive, "root"], options);
    rmSync(unpacked, { recursive: true, force: true });
    renameSync(join(staging, "root"), unpacked);
  } catch (cause) {
    throw new GuestError(
      "KernelUnavailable",
      `Cannot fetch the guest kernel (${metapackage}). Run "apt-get update" and see that the machine reaches its Debian mirror.`,
      { cause },
    );
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  const kernel = findKernel(unpacked);
  if (kernel === undefined) {
    throw new GuestError(
      "KernelUnavailable",
      `The package holds no kernel. Remove ${unpacked} and try again.`,
    );
  }
  return kernel;
}
