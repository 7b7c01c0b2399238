import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCodeOf } from "../../error.ts";
import type { CniResult } from "./result.ts";

/** What is remembered of one attachment, in libcni's format (`cniCacheV1`). */
export interface CachedAttachment {
  readonly kind: "cniCacheV1";
  readonly containerId: string;
  /** The network configuration list, base64. */
  readonly config: string;
  readonly ifName: string;
  readonly networkName: string;
  readonly netns?: string;
  readonly cniArgs: readonly (readonly [string, string])[];
  readonly capabilityArgs?: Readonly<Record<string, unknown>>;
  readonly result: CniResult;
}

/** Results of ADD, kept for CHECK, DEL and GC. libcni keeps them in `/var/lib/cni/results`. */
export class ResultsCache {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #path(network: string, containerId: string, ifName: string): string {
    return join(this.#directory, `${network}-${containerId}-${ifName}`);
  }

  async put(entry: CachedAttachment): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const path = this.#path(entry.networkName, entry.containerId, entry.ifName);
    // The dot keeps a half-written file out of `list`.
    const fresh = join(this.#directory, `.${entry.containerId}-${entry.ifName}`);
    await writeFile(fresh, JSON.stringify(entry), { mode: 0o600 });
    await rename(fresh, path);
  }

  async get(network: string, containerId: string, ifName: string): Promise<CachedAttachment | undefined> {
    return this.#read(this.#path(network, containerId, ifName));
  }

  async remove(network: string, containerId: string, ifName: string): Promise<void> {
    await rm(this.#path(network, containerId, ifName), { force: true });
  }

  /** Every attachment of a network. */
  async list(network: string): Promise<CachedAttachment[]> {
    const names = await readdir(this.#directory).catch(() => []);
    const entries = await Promise.all(
      names.filter((name) => !name.startsWith(".")).map((name) => this.#read(join(this.#directory, name))),
    );
    return entries.filter(
      (entry) => entry !== undefined && entry.networkName === network,
    ) as CachedAttachment[];
  }

  async #read(path: string): Promise<CachedAttachment | undefined> {
    try {
      const entry = JSON.parse(await readFile(path, "utf8")) as CachedAttachment;
      return entry.kind === "cniCacheV1" ? entry : undefined;
    } catch (error) {
      if (systemCodeOf(error) === "ENOENT" || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }
}
