import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type ArchiveEntry, characterDevice, directory, file, packArchive, symlink } from "./cpio.ts";
import { GuestError } from "./error.ts";
import { fetchKernel, type GuestKernel } from "./kernel.ts";

const run = promisify(execFile);

/** What QEMU needs to start the guest. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
}

/**
 * In this order each module finds what it depends on; parameters follow a name. Everything else the guest needs is built
 * into the kernel. virtio_net looks after one frame at a time: it sends the answers its XDP program gave only at the end of
 * a round, and would let them wait until the kernel has dealt with all other frames of that round.
 */
const modules = [
  "drivers/virtio/virtio_ring",
  "drivers/virtio/virtio",
  "drivers/virtio/virtio_pci_modern_dev",
  "drivers/virtio/virtio_pci_legacy_dev",
  "drivers/virtio/virtio_pci",
  "net/core/failover",
  "drivers/net/net_failover",
  "drivers/net/virtio_net napi_weight=1",
  "drivers/firmware/qemu_fw_cfg",
  "drivers/input/evdev",
  "drivers/acpi/button",
];

/** What the guest prints on its serial console as soon as its services listen. */
export const readyMarker = "fairlead-guest ready";

const sources = import.meta.dirname;
const programSources = ["services.c", "datagram-echo.c"];
const busybox = "/bin/busybox";

/**
 * The guest's kernel and initramfs from the cache, made first if need be (some 5 s with the kernel's download,
 * under 1 s without). The initramfs is named by the hash of what goes into it, so an edit takes effect by itself.
 */
export async function guestImage(options: { cache: string; signal?: AbortSignal }): Promise<GuestImage> {
  const kernel = await fetchKernel(options.cache, options.signal);
  const ingredients = [
    busybox,
    ...[...programSources, "datagram-echo.h", "init.sh", "dhcp.sh", "power-button.sh"].map((name) =>
      join(sources, name),
    ),
  ];
  if (!existsSync(busybox)) throw new GuestError("MissingProgram", "Install the package busybox-static.");
  const hash = createHash("sha256").update(JSON.stringify([kernel.release, modules]));
  for (const path of ingredients) hash.update(readFileSync(path));
  const initramfs = join(options.cache, `initramfs-${hash.digest("hex").slice(0, 16)}.cpio`);
  if (!existsSync(initramfs)) {
    const services = await compileServices(options.cache, options.signal);
    writeWhole(initramfs, packArchive(contents(kernel, services)));
  }
  return { kernel: kernel.image, initramfs };
}

function contents(kernel: GuestKernel, services: Uint8Array): ArchiveEntry[] {
  const pathOf = (module: string) => module.split(" ")[0]!;
  const baseOf = (module: string) => module.slice(module.lastIndexOf("/") + 1);
  return [
    ...["bin", "sbin", "dev", "etc", "etc/acpi", "etc/acpi/PWRF", "lib", "lib/modules", "tmp"].map(directory),
    characterDevice("dev/console", 5, 1),
    file("bin/busybox", readFileSync(busybox), 0o755),
    symlink("bin/sh", "busybox"),
    file("bin/services", services, 0o755),
    file("init", readFileSync(join(sources, "init.sh")), 0o755),
    file("etc/dhcp.sh", readFileSync(join(sources, "dhcp.sh")), 0o755),
    file("etc/acpi/PWRF/00000080", readFileSync(join(sources, "power-button.sh")), 0o755),
    file("etc/modules", Buffer.from(`${modules.map(baseOf).join("\n")}\n`)),
    ...modules
      .map(pathOf)
      .map((path) =>
        file(`lib/modules/${baseOf(path)}.ko`, readFileSync(join(kernel.modules, `${path}.ko`))),
      ),
  ];
}

async function compileServices(cache: string, signal?: AbortSignal): Promise<Buffer> {
  const output = join(cache, `services-${process.pid}`);
  const source = programSources.map((name) => join(sources, name));
  try {
    const argv = ["-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", "-o", output, ...source];
    await run("gcc", argv, { timeout: 60_000, ...(signal && { signal }) });
    return readFileSync(output);
  } catch (cause) {
    const absent = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw absent
      ? new GuestError("MissingProgram", "Install the packages gcc and libc6-dev.", { cause })
      : new GuestError(
          "BuildFailed",
          `gcc could not compile ${source.join(" and ")}; its words are in the cause.`,
          {
            cause,
          },
        );
  } finally {
    rmSync(output, { force: true });
  }
}

/** A reader never sees half a file, even if two labs start at once. */
function writeWhole(path: string, data: Uint8Array): void {
  const temporary = `${path}.${process.pid}`;
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(temporary, data);
  renameSync(temporary, path);
}
