import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { workspace } from "../first/paths.ts";
import { defaultCache, findQemu } from "../qemu/index.ts";

const programs = {
  bird: ["bird", "--version"],
  nftables: ["nft", "--version"],
  iproute2: ["ip", "-V"],
} satisfies Record<string, [string, string]>;

/** Versions of everything a figure depends on, by asking each program. */
export async function readVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {
    fairlead: JSON.parse(readFileSync(join(workspace, "package.json"), "utf8")).version,
    node: process.versions.node,
    kernel: release(),
  };
  const qemu = await findQemu({ cache: defaultCache });
  for (const [name, [program, ...args]] of Object.entries({ qemu: [qemu, "--version"], ...programs })) {
    const { stdout, stderr } = spawnSync(program!, args, { encoding: "utf8" });
    versions[name] = `${stdout}${stderr}`.match(/\d+\.\d+(?:\.\d+)*/)?.[0] ?? "unknown";
  }
  return versions;
}
