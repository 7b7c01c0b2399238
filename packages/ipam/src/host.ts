import type { Labels } from "@fairlead/api";
import type { Affinities } from "./affinities.ts";
import { hostAffinity } from "./affinities.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { countFree } from "./block-draft.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import type { BlockTable } from "./block-table.ts";
import { defaultMaxBlocksPerHost } from "./configuration.ts";
import { IpamError } from "./errors.ts";
import { Flight } from "./flight.ts";
import { candidateBlocks, type Pool, poolOf } from "./pool.ts";
import type { Family, IPAMBlock } from "./resources.ts";
import type { Settings } from "./settings.ts";

export type ClaimResult = "claimed" | "limit" | "none";

export interface HostOptions {
  readonly node: string;
  readonly affinities: Affinities;
  readonly blocks: BlockTable;
  /** All blocks, newest state; shared by whoever asks at the same time. */
  readonly listBlocks: () => Promise<readonly IPAMBlock[]>;
  /** Whether a pool gives out addresses still, read live. */
  readonly isOpen: (pool: Pool) => Promise<boolean>;
  readonly now: () => Date;
  readonly random: () => number;
}

/** Give up claiming after losing this many races. */
const claimAttempts = 32;
/** So many blocks are tried one by one before all blocks are read. */
const nearbyAttempts = 4;
/** Among this many free blocks one is chosen at random when the first choice was taken, so that nodes do not chase each other. */
const claimChoices = 64;

/** The blocks of one node, remembered between requests. */
export class Host {
  readonly node: string;
  /** Labels the node had when it last asked for an address. */
  labels: Labels | undefined;
  /** Handles of containers to which this process gave so many addresses, of own blocks only: there is no IPAMHandle object of them. */
  readonly unindexed = new Map<string, number>();
  readonly #options: HostOptions;
  readonly #own = new Map<string, BlockGeometry>();
  #loaded: Promise<void> | undefined;
  readonly #claims = new Map<string, Promise<ClaimResult>>();
  readonly #refresh: Flight<void>;

  constructor(options: HostOptions) {
    this.node = options.node;
    this.#options = options;
    this.#refresh = new Flight(async () => {
      await Promise.all(
        [...this.#own.keys()].map(async (cidr) => {
          const found = await options.blocks.tryRead(cidr);
          if (found === "corrupt" || found?.block.spec.affinity !== hostAffinity(this.node)) this.drop(cidr);
        }),
      );
    });
  }

  /** Reads the node's blocks, once, completing interrupted claims. */
  load(): Promise<void> {
    this.#loaded ??= this.#load().catch((error) => {
      this.#loaded = undefined;
      throw error;
    });
    return this.#loaded;
  }

  async #load() {
    for (const block of await this.#options.affinities.recover(this.node)) this.#add(block);
  }

  #add(block: IPAMBlock) {
    const geometry = tryDecodeBlock(block);
    if (!geometry) return;
    this.#own.set(geometry.cidr, geometry);
    this.#options.blocks.track(geometry.cidr, block);
  }

  /** The block is no longer this node's. */
  drop(cidr: string) {
    this.#own.delete(cidr);
    this.#options.blocks.forget(cidr);
  }

  /** Own blocks of the family, oldest first, as remembered. One that turns out to be somebody else's is dropped on the way. */
  *blocks(family: Family): Generator<{ readonly geometry: BlockGeometry; readonly block: IPAMBlock }> {
    for (const [cidr, geometry] of this.#own) {
      if (geometry.family !== family) continue;
      const block = this.#options.blocks.peek(cidr);
      if (block?.spec.affinity !== hostAffinity(this.node)) this.drop(cidr);
      else yield { geometry, block };
    }
  }

  /** Whether the block is this node's, as remembered. One that turns out to be gone is dropped on the way. */
  has(cidr: string): boolean {
    if (!this.#own.has(cidr)) return false;
    const isOwn = this.#options.blocks.peek(cidr)?.spec.affinity === hostAffinity(this.node);
    if (!isOwn) this.drop(cidr);
    return isOwn;
  }

  /** Own blocks that hold addresses of a handle as remembered, or that may hold some because their last write had no answer. */
  holding(handle: string): string[] {
    const key = handle.toLowerCase();
    const holding: string[] = [];
    for (const family of [4, 6] as const)
      for (const { geometry, block } of this.blocks(family))
        if (handlesOf(block).has(key) || this.#options.blocks.isInDoubt(geometry.cidr))
          holding.push(geometry.cidr);
    return holding;
  }

  /** Reads own blocks again that were last seen before `tick`: others may have given addresses in them back. */
  async refresh(family: Family, tick: number): Promise<void> {
    const isOld = ([cidr, geometry]: [string, BlockGeometry]) =>
      geometry.family === family && !this.#options.blocks.isKnownSince(cidr, tick);
    if ([...this.#own].some(isOld)) await this.#refresh.run();
  }

  /**
   * Claims one more block of the pools. Requests that need one at the same time share it.
   * @throws IpamError PoolNotFound when a pool was disabled or deleted meanwhile
   */
  claim(
    family: Family,
    pools: readonly Pool[],
    settings: Settings,
    limit: number | undefined,
  ): Promise<ClaimResult> {
    const key = `${family} ${pools.map(({ name }) => name).join(" ")} ${limit ?? ""}`;
    let claim = this.#claims.get(key);
    if (!claim) {
      claim = this.#claim(family, pools, settings, limit).finally(() => this.#claims.delete(key));
      this.#claims.set(key, claim);
    }
    return claim;
  }

  async #claim(
    family: Family,
    pools: readonly Pool[],
    settings: Settings,
    requestLimit: number | undefined,
  ): Promise<ClaimResult> {
    const limits = [settings.configuration.maxBlocksPerHost, requestLimit ?? 0].filter((n) => n > 0);
    const limit = limits.length > 0 ? Math.min(...limits) : defaultMaxBlocksPerHost;
    if ([...this.blocks(family)].length >= limit) return "limit";
    const wanted = (geometry: BlockGeometry) =>
      !this.#own.has(geometry.cidr) && !settings.reservations.coversBlock(geometry);
    const seed = (pool: Pool) =>
      pool.blockSize === (pool.family === 4 ? 32 : 128)
        ? `${this.node}${this.#options.now().getTime()}`
        : this.node;

    for (const pool of pools) if (await this.#claimNearby(pool, seed(pool), wanted)) return "claimed";
    for (let attempt = 0; attempt < claimAttempts; attempt++) {
      const choices = this.#choices(await this.#options.listBlocks(), pools, seed, wanted);
      if (choices.length === 0) return "none";
      const choice = choices[Math.floor(this.#options.random() * choices.length)]!;
      if (await this.#take(choice, poolOf(pools, choice.network))) return "claimed";
    }
    return "none";
  }

  /** Tries the blocks where this node starts to look, one by one: in a pool with room this saves reading all blocks. */
  async #claimNearby(
    pool: Pool,
    seed: string,
    wanted: (geometry: BlockGeometry) => boolean,
  ): Promise<boolean> {
    let tried = 0;
    for (const geometry of candidateBlocks(pool, seed)) {
      if (tried === nearbyAttempts) return false;
      if (!wanted(geometry)) continue;
      if (tried++ > 0 && (await this.#options.blocks.tryRead(geometry.cidr))) continue;
      if (await this.#take(geometry, pool)) return true;
    }
    return false;
  }

  /** Blocks that do not exist yet; when there are none, blocks nobody has, or empty ones whose claim is old. */
  #choices(
    existing: readonly IPAMBlock[],
    pools: readonly Pool[],
    seed: (pool: Pool) => string,
    wanted: (geometry: BlockGeometry) => boolean,
  ): BlockGeometry[] {
    for (const block of existing) {
      const geometry = block.spec.affinity === hostAffinity(this.node) ? tryDecodeBlock(block) : undefined;
      // Ours, though its BlockAffinity is missing: a crash came between.
      if (geometry && wanted(geometry) && poolOf(pools, geometry.network)) return [geometry];
    }
    const taken = new Map(existing.map((block) => [block.spec.cidr, block]));
    const absent: BlockGeometry[] = [];
    for (const pool of pools) {
      for (const geometry of candidateBlocks(pool, seed(pool))) {
        if (absent.length >= claimChoices) return absent;
        if (!taken.has(geometry.cidr) && wanted(geometry)) absent.push(geometry);
      }
      if (absent.length > 0) return absent;
    }
    const free: BlockGeometry[] = [];
    for (const block of existing) {
      const geometry = tryDecodeBlock(block);
      if (!geometry || !wanted(geometry) || !poolOf(pools, geometry.network)) continue;
      const options = { now: this.#options.now(), cooldownSeconds: 0 };
      if (this.#options.affinities.isFree(block) && countFree(block.spec, options) > 0) free.push(geometry);
    }
    return free;
  }

  async #take(geometry: BlockGeometry, pool: Pool | undefined): Promise<boolean> {
    const block = await this.#options.affinities.claim(this.node, geometry);
    if (!block) return false;
    if (pool && !(await this.#options.isOpen(pool))) {
      await this.#options.affinities.release(this.node, geometry.cidr, { mustBeEmpty: true });
      throw poolClosed(pool);
    }
    this.#add(block);
    return true;
  }

  /**
   * Claims this very block if nobody has it; for static addresses.
   * @throws IpamError PoolNotFound when its pool was disabled or deleted meanwhile
   */
  async claimExactly(geometry: BlockGeometry, pool?: Pool): Promise<boolean> {
    return this.has(geometry.cidr) || this.#take(geometry, pool);
  }
}

/**
 * Whoever deletes a pool disables it, and then looks for its blocks. So a block that was made before this look is seen, and who makes
 * one later sees that the pool is disabled.
 */
const poolClosed = ({ name }: Pool) =>
  new IpamError("PoolNotFound", "it was disabled or deleted meanwhile", { object: `IPPool ${name}` });

const known = new WeakMap<IPAMBlock, ReadonlySet<string>>();

/** The handles in a block, found once per version of it. */
function handlesOf(block: IPAMBlock): ReadonlySet<string> {
  let handles = known.get(block);
  if (!handles) {
    handles = new Set(block.spec.attributes.map(({ handle_id }) => handle_id?.toLowerCase() ?? ""));
    known.set(block, handles);
  }
  return handles;
}
