import { parseAddress } from "./address.ts";
import { hostAffinity } from "./affinities.ts";
import { addressInUse, assignOrdinal, checkHandleIsOfPod } from "./assign-ordinal.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { type Allocation, countFree, emptyBlock, type Owners } from "./block-draft.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import { type BlockTable, blockGone } from "./block-table.ts";
import type { IpamLogger } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { giveBack } from "./give-back.ts";
import { type HandleIndex, indexed } from "./handle-index.ts";
import type { Host } from "./host.ts";
import { blockName } from "./names.ts";
import { blockAround, type Pool, poolOf } from "./pool.ts";
import type { Family, IPAMBlock, PoolUse } from "./resources.ts";
import type { Settings } from "./settings.ts";
import { type IpamStore, isStoreError } from "./store.ts";

/** An address with the block it is from. */
export interface Allocated extends Allocation {
  readonly block: BlockGeometry;
}

/** What is wanted from one family. Pools are already selected. */
export interface Want {
  readonly family: Family;
  readonly count: number;
  readonly handle: string;
  readonly owners: Owners;
  readonly pools: readonly Pool[];
  readonly maxBlocksPerHost?: number | undefined;
  /** Addresses the handle may have in a block; it gets those it has instead of more. */
  readonly maxPerHandle?: number | undefined;
  /** The handle's index, told of `count` addresses before a block is written, and corrected after it. */
  readonly index?: HandleIndex | undefined;
}

export interface AllocatorOptions {
  readonly store: IpamStore;
  readonly blocks: BlockTable;
  readonly listBlocks: () => Promise<readonly IPAMBlock[]>;
  readonly now: () => Date;
  readonly random: () => number;
  readonly logger: IpamLogger;
}

/** How often the block of a named address is looked for again after it was lost. */
const namedRounds = 10;

/** How often all blocks are searched for an address to borrow before giving up. */
const borrowRounds = 20;

/** Finds blocks with room and takes addresses from them: own blocks, then a claim, then borrowing. */
export class Allocator {
  readonly #options: AllocatorOptions;

  constructor(options: AllocatorOptions) {
    this.#options = options;
  }

  /**
   * Up to `want.count` addresses; fewer when no more are to be had.
   * @returns what was obtained, and why not more
   */
  async allocate(
    host: Host,
    want: Want,
    settings: Settings,
  ): Promise<{ readonly got: Allocated[]; readonly shortage?: IpamError }> {
    await host.load();
    const got: Allocated[] = [];
    try {
      const shortage = await this.#fill(host, want, settings, got);
      return shortage ? { got, shortage } : { got };
    } catch (error) {
      await giveBack(this.#options, got, want.index);
      throw error;
    }
  }

  /** @returns why there are not more */
  async #fill(host: Host, want: Want, settings: Settings, got: Allocated[]): Promise<IpamError | undefined> {
    const full = new Set<string>();
    let refreshed = false;
    const start = this.#options.blocks.tick;
    for (;;) {
      await this.#fromOwnBlocks(host, want, settings, got, full);
      if (got.length >= want.count) return undefined;
      if (!refreshed && [...host.blocks(want.family)].length > 0) {
        // Others may have given addresses back; a look at what we have is cheaper than one more block.
        refreshed = true;
        await host.refresh(want.family, start);
        full.clear();
        continue;
      }
      const claim = settings.configuration.autoAllocateBlocks
        ? await host.claim(want.family, want.pools, settings, want.maxBlocksPerHost)
        : "none";
      if (claim === "claimed") continue;
      if (!settings.configuration.strictAffinity) await this.#borrow(host, want, settings, got);
      return got.length >= want.count ? undefined : this.#shortage(host, want, claim);
    }
  }

  #shortage(host: Host, want: Want, claim: string): IpamError {
    const pools = want.pools.map(({ name }) => name).join(", ");
    return claim === "limit"
      ? new IpamError(
          "BlockLimit",
          `node ${host.node} has as many IPv${want.family} blocks as it may, all full`,
        )
      : new IpamError(
          "AddressesExhausted",
          `no free IPv${want.family} address for node ${host.node} in ${pools}`,
        );
  }

  async #fromOwnBlocks(host: Host, want: Want, settings: Settings, got: Allocated[], full: Set<string>) {
    const options = { now: this.#options.now(), cooldownSeconds: settings.configuration.ipCooldownSeconds };
    for (;;) {
      const room = host
        .blocks(want.family)
        .find(
          ({ geometry, block }) =>
            !full.has(geometry.cidr) &&
            poolOf(want.pools, geometry.network) &&
            countFree(block.spec, options) > 0,
        );
      if (!room) return;
      const taken = await this.#take(
        room.geometry,
        want,
        settings,
        want.count - got.length,
        hostAffinity(host.node),
      );
      if (taken.length === 0) full.add(room.geometry.cidr);
      got.push(...taken);
      if (got.length >= want.count) return;
    }
  }

  async #take(
    geometry: BlockGeometry,
    want: Want,
    settings: Settings,
    count: number,
    affinity?: string,
  ): Promise<Allocated[]> {
    const reserved = settings.reservations.within(geometry);
    const index = want.index?.covers === "all" || affinity === undefined ? want.index : undefined;
    return indexed(index, geometry.cidr, count, this.#options.logger, async () => {
      const taken = await this.#options.blocks.update(geometry.cidr, (draft) => {
        const own = want.maxPerHandle === undefined ? [] : draft.ofHandle(want.handle);
        checkHandleIsOfPod(want.handle, own, want.owners);
        if (own.length > 0 && own.length >= (want.maxPerHandle ?? 0)) return { allocations: own, fresh: 0 };
        if (affinity !== undefined && draft.affinity !== affinity) return { allocations: [], fresh: 0 };
        const allocations = draft.allocate(count, want.handle, want.owners, reserved);
        return { allocations, fresh: allocations.length };
      });
      if (taken === blockGone) return { result: [], fresh: 0 };
      const result = taken.allocations.map((allocation) => ({ ...allocation, block: geometry }));
      return { result, fresh: taken.fresh };
    });
  }

  /** Takes addresses from any block of the pools that has room. */
  async #borrow(host: Host, want: Want, settings: Settings, got: Allocated[]) {
    for (let round = 0; round < borrowRounds && got.length < want.count; round++) {
      const room = await this.#roomAnywhere(want, settings);
      if (room.length === 0) return;
      while (room.length > 0 && got.length < want.count) {
        const [geometry] = room.splice(Math.floor(this.#options.random() * room.length), 1);
        const affinity = host.has(geometry!.cidr) ? hostAffinity(host.node) : undefined;
        got.push(...(await this.#take(geometry!, want, settings, want.count - got.length, affinity)));
      }
    }
  }

  async #roomAnywhere(want: Want, settings: Settings): Promise<BlockGeometry[]> {
    const room: BlockGeometry[] = [];
    for (const block of await this.#options.listBlocks()) {
      const geometry = tryDecodeBlock(block);
      if (geometry && !block.spec.deleted && this.hasRoom(block, geometry, want, settings))
        room.push(geometry);
    }
    return room;
  }

  /** Whether what is wanted may come from this block, and there is some left. */
  hasRoom(
    block: IPAMBlock,
    geometry: BlockGeometry,
    want: Pick<Want, "family" | "pools">,
    settings: Settings,
  ): boolean {
    if (geometry.family !== want.family || !poolOf(want.pools, geometry.network)) return false;
    const options = { now: this.#options.now(), cooldownSeconds: settings.configuration.ipCooldownSeconds };
    if (countFree(block.spec, options) === 0) return false;
    const reserved = settings.reservations.within(geometry);
    return !reserved || block.spec.unallocated.some((ordinal) => !reserved(ordinal));
  }

  /**
   * A block with room, for a handle that is to be pinned to it before the address is taken.
   * @throws IpamError AddressesExhausted, BlockLimit
   */
  async chooseBlock(
    host: Host,
    want: Want,
    settings: Settings,
    avoid: ReadonlySet<string>,
  ): Promise<BlockGeometry> {
    await host.load();
    const ownRoom = () =>
      host
        .blocks(want.family)
        .find(
          ({ geometry, block }) => !avoid.has(geometry.cidr) && this.hasRoom(block, geometry, want, settings),
        )?.geometry;
    let claim = "none";
    const start = this.#options.blocks.tick;
    for (const refresh of [false, true]) {
      if (refresh) await host.refresh(want.family, start);
      const own = ownRoom();
      if (own) return own;
    }
    if (settings.configuration.autoAllocateBlocks) {
      claim = await host.claim(want.family, want.pools, settings, want.maxBlocksPerHost);
      const own = ownRoom();
      if (own) return own;
    }
    if (!settings.configuration.strictAffinity) {
      const room = (await this.#roomAnywhere(want, settings)).filter(({ cidr }) => !avoid.has(cidr));
      const choice = room[Math.floor(this.#options.random() * room.length)];
      if (choice) return choice;
    }
    throw this.#shortage(host, want, claim);
  }

  /**
   * The block of an address that is asked for by name, made if there is none.
   * @throws IpamError AddressInvalid, AddressNotInPool, StrictAffinity
   */
  async blockForAddress(
    host: Host,
    text: string,
    use: PoolUse | undefined,
    settings: Settings,
  ): Promise<BlockGeometry> {
    const address = parseAddress(text);
    if (!address)
      throw new IpamError("AddressInvalid", `"${text}" is not an IP address`, {
        object: `address ${text}`,
        field: "addresses",
      });
    const pool = poolOf(
      settings.pools.filter(({ allocatable }) => allocatable),
      address,
    );
    if (!pool)
      throw new IpamError(
        "AddressNotInPool",
        `The provided IP address is not in a configured pool: ${text}`,
        {
          object: `address ${text}`,
          field: "addresses",
        },
      );
    if (use && !pool.uses.has(use))
      throw new IpamError("AddressNotInPool", `${text} is in a pool that does not allow use ${use}`, {
        object: `IPPool ${pool.name}`,
        field: "spec.allowedUses",
      });
    await host.load();
    const geometry = blockAround(pool, address.value);
    if (host.has(geometry.cidr)) return geometry;
    const existing = await this.#options.blocks.read(geometry.cidr);
    if (!existing) await this.#createBlock(host, geometry, pool, settings);
    else if (
      settings.configuration.strictAffinity &&
      existing.block.spec.affinity !== hostAffinity(host.node)
    )
      throw new IpamError(
        "StrictAffinity",
        `${text} is in a block of ${existing.block.spec.affinity ?? "nobody"}`,
      );
    return geometry;
  }

  /**
   * Takes one named address. What the handle already has there counts as taken, unless the address `mustBeFree`. A remembered block
   * that is gone or another node's by now is forgotten, and its place is claimed again.
   * @throws IpamError AddressInvalid, AddressNotInPool, AddressInUse, AddressCoolingDown, StrictAffinity, TooManyConflicts
   */
  async takeNamed(
    host: Host,
    address: string,
    want: Pick<Want, "handle" | "owners" | "index"> & { readonly mustBeFree?: boolean | undefined },
    use: PoolUse | undefined,
    settings: Settings,
  ): Promise<Allocated> {
    for (let round = 0; round < namedRounds; round++) {
      const block = await this.blockForAddress(host, address, use, settings);
      const ordinal = block.ordinalOf(address);
      const isOwn = host.has(block.cidr);
      const mustBeOwn = isOwn || settings.configuration.strictAffinity;
      const index = want.index?.covers === "all" || !isOwn ? want.index : undefined;
      const taken = await indexed(index, block.cidr, 1, this.#options.logger, async () => {
        const result = await this.#options.blocks.update(block.cidr, (draft) => {
          if (mustBeOwn && draft.affinity !== hostAffinity(host.node)) return undefined;
          const present = draft.at(ordinal);
          if (present && want.mustBeFree) throw addressInUse(draft, ordinal);
          return { allocation: assignOrdinal(draft, ordinal, want.handle, want.owners), fresh: !present };
        });
        const found = result === blockGone ? undefined : result;
        return { result: found, fresh: found?.fresh ? 1 : 0 };
      });
      if (taken) return { ...taken.allocation, block };
    }
    throw new IpamError("TooManyConflicts", `the block of ${address} kept changing hands`, {
      object: `address ${address}`,
    });
  }

  async #createBlock(host: Host, geometry: BlockGeometry, pool: Pool, settings: Settings) {
    const { maxBlocksPerHost, strictAffinity } = settings.configuration;
    const limit = maxBlocksPerHost || Number.POSITIVE_INFINITY;
    const mayClaim = [...host.blocks(geometry.family)].length < limit;
    if (mayClaim && (await host.claimExactly(geometry, pool))) return;
    if (strictAffinity)
      throw new IpamError("StrictAffinity", `node ${host.node} cannot have block ${geometry.cidr}`);
    try {
      await this.#options.store.create("IPAMBlock", {
        metadata: { name: blockName(geometry.cidr) },
        spec: emptyBlock(geometry, null, this.#options.now()),
      });
    } catch (error) {
      if (!isStoreError(error, "AlreadyExists")) throw error;
    }
  }
}
