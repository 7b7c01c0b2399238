import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { unpackPackages } from "../debian/unpack.ts";
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
 * Unpacks the kernel package into the cache; nothing is installed. The second call only looks. Throws
 * {@link GuestError} `KernelUnavailable`.
 */
export async function fetchKernel(cache: string, signal?: AbortSignal): Promise<GuestKernel> {
  const into = join(cache, "kernel");
  const found = findKernel(into);
  if (found) return found;
  try {
    const { stdout } = await run("apt-cache", ["depends", "--important", metapackage]);
    const concrete = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
    if (concrete === undefined) throw new Error(`${metapackage} depends on no linux-image package`);
    await unpackPackages({ packages: [concrete], into, ...(signal && { signal }) });
  } catch (cause) {
    throw new GuestError(
      "KernelUnavailable",
      `Cannot fetch the guest kernel (${metapackage}). Run "apt-get update" and see that the machine reaches its Debian mirror.`,
      { cause },
    );
  }
  const kernel = findKernel(into);
  if (kernel === undefined) {
    throw new GuestError("KernelUnavailable", `The package holds no kernel. Remove ${into} and try again.`);
  }
  return kernel;
}
