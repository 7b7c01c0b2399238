import { execFile } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

export interface UnpackOptions {
  /** Names of binary packages; their dependencies do not come with them. */
  readonly packages: readonly string[];
  /** Directory they are unpacked into. It is replaced as a whole, or left as it was. */
  readonly into: string;
  /** Take them from this release's backports, which need not be among the machine's sources. */
  readonly fromBackports?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * Downloads Debian packages and unpacks them into a directory, as `apt-get download` and `dpkg -x` do; nothing is
 * installed and the machine's package sources stay as they are. Throws what the failed program said.
 */
export async function unpackPackages(options: UnpackOptions): Promise<void> {
  const { packages, into, signal } = options;
  mkdirSync(dirname(into), { recursive: true });
  const staging = mkdtempSync(join(dirname(into), `${basename(into)}-`));
  const execution = { cwd: staging, timeout: 300_000, ...(signal && { signal }) };
  const apt = async (...argv: string[]) => await run("apt-get", ["-q", ...unsandboxed, ...argv], execution);
  try {
    const sources = options.fromBackports ? await backports(staging, execution) : [];
    if (sources.length > 0) await apt(...sources, "update");
    await apt(...sources, "download", ...packages);
    const archives = readdirSync(staging).filter((name) => name.endsWith(".deb"));
    if (archives.length !== packages.length)
      throw new Error(`apt-get download ${packages.join(" ")} wrote ${archives.length} files`);
    for (const archive of archives) await run("dpkg", ["-x", archive, "root"], execution);
    rmSync(into, { recursive: true, force: true });
    renameSync(join(staging, "root"), into);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** The user `_apt` may not write where we download to. */
const unsandboxed = ["-o", "APT::Sandbox::User=root"];

/** Options that show apt-get this release's backports, on the mirror the machine itself uses, and nothing else. */
async function backports(directory: string, execution: { cwd: string }): Promise<string[]> {
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const { stdout } = await run(
    "apt-get",
    ["indextargets", "--format", "$(RELEASE) $(REPO_URI)", "Created-By: Packages"],
    execution,
  );
  const sources = stdout.split("\n").map((line) => line.split(" "));
  const mirror = sources.find(([release]) => release === codename)?.[1];
  if (codename === undefined || mirror === undefined)
    throw new Error(`apt-get knows no source of the release ${codename ?? "this system is"}`);
  const list = join(directory, "sources.list");
  writeFileSync(list, `deb [signed-by=${keyring}] ${mirror} ${codename}-backports main\n`);
  mkdirSync(join(directory, "lists"));
  const settings = {
    "Dir::Etc::SourceList": list,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": join(directory, "lists"),
    "Dir::Cache::PkgCache": "",
    "Dir::Cache::SrcPkgCache": "",
    "Acquire::Languages": "none",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}
