import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { workspace } from "../first/paths.ts";

const programs: Readonly<Record<string, readonly [string, ...string[]]>> = {
  qemu: ["qemu-system-x86_64", "--version"],
  bird: ["bird", "--version"],
  nftables: ["nft", "--version"],
  iproute2: ["ip", "-V"],
};

/** Versions of everything a figure depends on, by asking each program. */
export function readVersions(): Record<string, string> {
  const versions: Record<string, string> = {
    fairlead: JSON.parse(readFileSync(join(workspace, "package.json"), "utf8")).version,
    node: process.versions.node,
    kernel: release(),
  };
  for (const [name, [program, ...args]] of Object.entries(programs)) {
    const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    versions[name] = `${stdout}${stderr}`.match(/\d+\.\d+(?:\.\d+)*/)?.[0] ?? "unknown";
  }
  return versions;
}
