/**
 * What this machine must have before Fairlead's own commands can run, and what to do about what is missing.
 * Plain JavaScript without dependencies: it runs on the Node.js that is already there (20 or newer).
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Programs and files, and the Debian package that brings each.
 * `needs` says who asks: everything, or only what starts virtual machines (`lab`).
 */
export const systemRequirements = [
  { program: "ip", package: "iproute2", needs: "kernel" },
  { program: "nft", package: "nftables", needs: "kernel" },
  { file: "/usr/lib/{arch}-linux-gnu/libnftables.so.1", package: "libnftables1", needs: "kernel" },
  { program: "bird", package: "bird2", needs: "kernel" },
  { program: "unshare", package: "util-linux", needs: "kernel" },
  { program: "mount", package: "mount", needs: "kernel" },
  { program: "sysctl", package: "procps", needs: "kernel" },
  { program: "hostname", package: "hostname", needs: "kernel" },
  { program: "gcc", package: "gcc", needs: "kernel" },
  { file: "/usr/include/stdio.h", package: "libc6-dev", needs: "kernel" },
  { program: "qemu-system-{qemu}", package: "qemu-system-x86", needs: "lab" },
  { program: "busybox", package: "busybox-static", needs: "lab" },
  { program: "cpio", package: "cpio", needs: "lab" },
  { program: "xz", package: "xz-utils", needs: "lab" },
  { program: "kubectl", package: "kubernetes-client", needs: "lab" },
  { program: "curl", package: "curl", needs: "lab" },
  { program: "socat", package: "socat", needs: "lab" },
];

const machine = { x64: { arch: "x86_64", qemu: "x86_64" }, arm64: { arch: "aarch64", qemu: "aarch64" } };

/** Where programs are looked for: `PATH`, and the system's directories, which an ordinary user's may lack. */
export function searchedDirectories() {
  return [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
}

/** What this machine lacks: `{ name, package }` each, `name` a program or a file. */
export function missingRequirements() {
  const names = machine[process.arch] ?? machine.x64;
  return systemRequirements
    .map((requirement) => ({
      ...requirement,
      name: (requirement.program ?? requirement.file)
        .replace("{arch}", names.arch)
        .replace("{qemu}", names.qemu),
    }))
    .filter(({ file, name }) =>
      file
        ? !existsSync(name)
        : !searchedDirectories().some((directory) => isExecutable(join(directory, name))),
    );
}

/** Reads what the decision depends on. Everything else in this file is a function of its result. */
export function inspectSystem() {
  return {
    platform: process.platform,
    nodeMajor: Number(process.versions.node.split(".")[0]),
    distribution: readDistribution(),
    isRoot: process.getuid?.() === 0,
    hasUserNamespaces: process.getuid?.() !== 0 && canMakeUserNamespace(),
    missing: missingRequirements(),
  };
}

/**
 * Decides what to install, or why it cannot be done here.
 * @returns `{ install: string[] }` (Debian package names, possibly none) or `{ refusal: string }`.
 */
export function planInstallation(system) {
  if (system.platform !== "linux") {
    return {
      refusal: `Fairlead's testbed and tests need Linux (network namespaces, nftables, BIRD, QEMU); this is ${system.platform}.
Run it in a Debian 12 virtual machine: clone the repository there and run the same command as root.`,
    };
  }
  if (system.nodeMajor < 20) {
    return {
      refusal: `Node.js ${system.nodeMajor} is too old to start from; install Node.js 20 or newer and run this again.`,
    };
  }
  const packages = [...new Set(system.missing.map((requirement) => requirement.package))];
  const command = `apt-get update && apt-get install --no-install-recommends ${packages.join(" ")}`;
  const list = system.missing
    .map((requirement) => `  ${requirement.name}  (Debian package ${requirement.package})`)
    .join("\n");
  if (packages.length > 0 && !isDebianLike(system.distribution)) {
    return {
      refusal: `Missing on this machine:\n${list}\nOnly Debian's packages are installed automatically. Install these with your system's package manager and run this again.`,
    };
  }
  if (packages.length > 0 && !system.isRoot) {
    return { refusal: `Missing on this machine:\n${list}\nNothing was changed. As root, run:\n  ${command}` };
  }
  return { install: packages };
}

/**
 * Why a command may not start for this user; undefined when it may.
 * `rights`: `root` for what makes namespaces on the machine itself, `namespaces` for what can live in a user namespace,
 * `none` for the rest.
 */
export function refuseWithoutRights(rights, system) {
  if (rights === "none" || system.isRoot) return undefined;
  if (rights === "namespaces" && system.hasUserNamespaces) return undefined;
  const or =
    rights === "namespaces"
      ? ", or user namespaces for ordinary users, which this system does not allow"
      : "";
  const once =
    rights === "namespaces" ? "\nor allow them, as root: sysctl -w kernel.unprivileged_userns_clone=1" : "";
  return `This needs root${or}. Nothing was changed. Run it as root${once}`;
}

function isDebianLike(distribution) {
  return distribution.id === "debian" || distribution.like.includes("debian");
}

function canMakeUserNamespace() {
  return spawnSync("unshare", ["--user", "--map-root-user", "--net", "true"]).status === 0;
}

function readDistribution() {
  const file = "/etc/os-release";
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const value = (key) => text.match(new RegExp(`^${key}="?([^"\\n]*)"?$`, "m"))?.[1] ?? "";
  return { id: value("ID"), like: value("ID_LIKE").split(" ") };
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
