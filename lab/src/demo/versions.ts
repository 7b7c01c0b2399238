import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { entering, listMachines } from "../experiment/machines.ts";
import { workspace } from "../first/paths.ts";
import { defaultCache, findQemu } from "../qemu/index.ts";

const programs = {
  bird: ["bird", "--version"],
  nftables: ["nft", "--version"],
  iproute2: ["ip", "-V"],
} satisfies Record<string, [string, string]>;

/** Where FRR runs, its machine has it. */
const frr = "/usr/lib/frr/zebra";

/** Versions of everything a figure depends on, by asking each program. */
export async function readVersions(): Promise<Record<string, string>> {
  const versions: Record<string, string> = {
    fairlead: JSON.parse(readFileSync(join(workspace, "package.json"), "utf8")).version,
    node: process.versions.node,
    kernel: release(),
  };
  const qemu = await findQemu({ cache: defaultCache });
  const asked: Record<string, string[]> = { qemu: [qemu, "--version"], ...programs };
  const router = (await listMachines()).find(({ pid }) => existsSync(`/proc/${pid}/root${frr}`));
  if (router !== undefined) asked.frr = [...entering(router), frr, "--version"];
  for (const [name, [program, ...args]] of Object.entries(asked)) {
    const { stdout, stderr } = spawnSync(program!, args, { encoding: "utf8" });
    versions[name] = `${stdout}${stderr}`.match(/\d+\.\d+(?:\.\d+)*/)?.[0] ?? "unknown";
  }
  return versions;
}
