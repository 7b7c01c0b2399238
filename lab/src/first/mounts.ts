import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../command.ts";
import { messageOf } from "../error.ts";

/** Directories of the host the lab sees and may write to without the host noticing. */
const shadowed = ["/etc", "/var", "/opt"] as const;

/**
 * Directories below these in which the lab's programs make their own. They are made anew in the upper layer: those of the host belong to its root, who
 * may be nobody in our user namespace.
 */
const writable = ["/etc/cni/net.d", "/var/lib", "/opt/cni/bin"] as const;

/**
 * Keeps the host's directories in reach under `originals`, for overlays made later. An overlay over an overlay over a
 * container's own overlay would be one more than the kernel stacks.
 */
export async function keepOriginals(originals: string): Promise<void> {
  for (const directory of shadowed) {
    await mkdir(join(originals, directory), { recursive: true });
    await run(["mount", "--bind", directory, join(originals, directory)]);
  }
}

/**
 * Gives a mount namespace its own /run, and copies-on-write of /etc, /var and /opt kept in memory. `enter` is the command
 * prefix that runs a program in the namespace, empty for our own; `originals` is where `keepOriginals` put the host's
 * directories; `keep` lists directories that stay the host's; `image` is a tree below which the namespace finds what the host
 * does not have.
 */
export async function privateFilesystem(
  scratch: string,
  enter: readonly string[],
  originals: string,
  keep: readonly string[] = [],
  image?: string,
): Promise<void> {
  const mount = (...args: string[]) => run([...enter, "mount", ...args]);
  const stack = (host: string, directory: string) => {
    const brought = image === undefined ? undefined : join(image, directory);
    return `lowerdir=${host}${brought !== undefined && existsSync(brought) ? `:${brought}` : ""}`;
  };
  const held = keep.filter((path) => shadowed.some((dir) => path === dir || path.startsWith(`${dir}/`)));
  for (const [index, path] of held.entries()) {
    await mkdir(join(scratch, `keep${index}`), { recursive: true });
    await mount("--bind", path, join(scratch, `keep${index}`));
  }
  for (const directory of shadowed) {
    const upper = join(scratch, `upper${directory}`);
    const work = join(scratch, `work${directory}`);
    await mkdir(upper, { recursive: true });
    await mkdir(work, { recursive: true });
    for (const path of writable)
      if (path.startsWith(`${directory}/`)) await mkdir(join(scratch, "upper", path), { recursive: true });
    await mount(
      "-t",
      "overlay",
      "overlay",
      "-o",
      `${stack(join(originals, directory), directory)},upperdir=${upper},workdir=${work}`,
      directory,
    );
  }
  for (const [index, path] of held.entries()) await mount("--bind", join(scratch, `keep${index}`), path);
  if (image !== undefined)
    await mount("-t", "overlay", "overlay", "-o", `${stack("/usr", "usr")},ro`, "/usr");
}

/** Shows a namespace a file or directory under another path, which must be there. */
export async function bindInto(
  enter: readonly string[],
  bind: { readonly source: string; readonly target: string; readonly isReadOnly: boolean },
): Promise<void> {
  await run([
    ...enter,
    "mount",
    "--bind",
    ...(bind.isReadOnly ? ["-o", "ro"] : []),
    bind.source,
    bind.target,
  ]);
}

/** A fresh /sys shows the interfaces of the namespace's own network. Without it only tools that read /sys are misled. */
export async function ownSysfs(enter: readonly string[]): Promise<string | undefined> {
  try {
    await run([...enter, "mount", "-t", "sysfs", "sysfs", "/sys"]);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
