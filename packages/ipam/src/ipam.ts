import { setTimeout as delay } from "node:timers/promises";
import { Affinities } from "./affinities.ts";
import {
  type AffinityView,
  claimAffinity,
  deletePool,
  listAffinities,
  type PoolDeletion,
  releaseAffinity,
  releaseHostAffinities,
  releasePoolAffinities,
} from "./affinity-operations.ts";
import {
  type AllocatedAddress,
  type AllocateRequest,
  type AllocateResult,
  type AssignRequest,
  allocate,
  assignAddress,
} from "./allocate.ts";
import { Allocator } from "./allocator.ts";
import { BlockTable } from "./block-table.ts";
import { type CheckReport, check } from "./check.ts";
import { type Collector, type CollectorOptions, createCollector } from "./collect.ts";
import type { EffectiveConfiguration } from "./configuration.ts";
import { configure } from "./configure.ts";
import type { Engine, IpamLogger } from "./engine.ts";
import { IpamError } from "./errors.ts";
import type { ClusterFacts } from "./facts.ts";
import { Flight } from "./flight.ts";
import type { HandleObjects } from "./handle-objects.ts";
import { Handles } from "./handles.ts";
import { Host } from "./host.ts";
import type { ClusterInventory } from "./inventory.ts";
import {
  type LeakReport,
  type ReportContext,
  type ReportedRelease,
  releaseFromReports,
} from "./leak-report.ts";
import { addressesOf } from "./lookup.ts";
import { type AddressOwners, getOwners, type SetOwners, setOwners } from "./owners.ts";
import { checkPoolFits, decodePool, type Pool } from "./pool.ts";
import { releaseByHandle } from "./release.ts";
import {
  type AddressRelease,
  type ReleaseResult,
  releaseAddresses,
  tidyAffinity,
} from "./release-addresses.ts";
import type { IPAMConfigurationSpec, IPPool } from "./resources.ts";
import { createSettings, createStoreSettings, type SettingsSource } from "./settings.ts";
import { type Overview, overview, type ShownAddress, showAddress } from "./show.ts";
import { type SplitRequest, split } from "./split.ts";
import type { IpamStore } from "./store.ts";
import { translated } from "./translate.ts";
import type { Workloads } from "./workload-types.ts";
import { createWorkloads } from "./workloads.ts";

/** The store, and the edges that tests replace. */
export interface IpamOptions {
  readonly store: IpamStore;
  /** Wall clock. */
  readonly clock?: (() => Date) | undefined;
  /** Between 0 and 1; chooses among equals. */
  readonly random?: (() => number) | undefined;
  /** Waits that many milliseconds before a conflicting write is repeated. */
  readonly wait?: ((milliseconds: number) => Promise<void>) | undefined;
  readonly logger?: IpamLogger | undefined;
  /** Pools, reservations and configuration from a watch. Without it they are read from the store every `settingsMaxAgeMs`. */
  readonly settings?: SettingsSource | undefined;
  /** Default 10 s. */
  readonly settingsMaxAgeMs?: number | undefined;
  /** Live look-ups. With them an owner whose pod is gone no longer stands in the way of its successor. */
  readonly facts?: ClusterFacts | undefined;
  /** Everything the cluster has, at one moment: where collection looks for suspects before it asks about them. */
  readonly inventory?: (() => Promise<ClusterInventory>) | undefined;
  /**
   * A new VM with the name of a deleted one: `inherit` (default) gets its addresses, `renew` gets others. In both cases only after the
   * pods of the old VM are gone.
   */
  readonly replacedVm?: "inherit" | "renew" | undefined;
  /**
   * `when-needed` (default): the block says which addresses an ordinary pod has, no IPAMHandle object is written for it unless it
   * borrows. `always`: one object per pod, for tools that look pods up by handle.
   */
  readonly handleObjects?: HandleObjects | undefined;
}

/** An address manager. Any number of them, in any number of processes, may share one store. */
export interface Ipam {
  /** Pods and VMs. */
  readonly workloads: Workloads;
  /** Addresses for anything else. A family that gets fewer than asked says so in `shortages`. */
  allocate(request: AllocateRequest): Promise<AllocateResult>;
  /** One named address. */
  assign(request: AssignRequest): Promise<AllocatedAddress>;
  release(addresses: readonly AddressRelease[]): Promise<ReleaseResult>;
  /** @throws IpamError HandleNotFound when the handle has nothing */
  releaseByHandle(handle: string): Promise<readonly string[]>;
  addressesOf(handle: string): Promise<readonly AllocatedAddress[]>;
  readonly owners: {
    get(address: string): Promise<AddressOwners>;
    set(request: SetOwners): Promise<void>;
  };
  readonly affinities: {
    list(): Promise<readonly AffinityView[]>;
    claim(node: string, cidr: string): Promise<boolean>;
    release(node: string, cidr: string, options?: { readonly mustBeEmpty?: boolean }): Promise<boolean>;
    releaseHost(node: string, options?: { readonly mustBeEmpty?: boolean }): Promise<readonly string[]>;
    releasePool(cidr: string): Promise<readonly string[]>;
  };
  readonly pools: {
    /** @throws IpamError PoolInvalid when it cannot stand beside what exists */
    checkFits(pool: IPPool): Promise<void>;
    /** Disables a pool, and deletes it unless addresses of it are in use; repeat it until it is deleted. */
    delete(name: string): Promise<PoolDeletion>;
    split(request: SplitRequest): Promise<readonly IPPool[]>;
  };
  configure(changes: IPAMConfigurationSpec): Promise<EffectiveConfiguration>;
  show(address: string): Promise<ShownAddress>;
  overview(): Promise<Overview>;
  /** Compares allocations with the cluster and changes nothing. */
  check(inventory: ClusterInventory): Promise<CheckReport>;
  releaseFromReports(
    reports: readonly LeakReport[],
    context: ReportContext,
    options?: { readonly force?: boolean },
  ): Promise<ReportedRelease>;
  /** Leak collection, to be run by one process of the cluster. */
  collector(options: CollectorOptions): Collector;
}

const silent: IpamLogger = { info() {}, warn() {} };

/** Makes an address manager. Nothing is read or written before the first call. */
export function createIpam(options: IpamOptions): Ipam {
  const engine = createEngine(options);
  const bound =
    <Args extends readonly unknown[], R>(call: (engine: Engine, ...args: Args) => Promise<R>) =>
    (...args: Args): Promise<R> =>
      translated(call)(engine, ...args);
  const settle = () => (options.wait ?? delay)(options.settings ? 500 : (options.settingsMaxAgeMs ?? 10_000));
  return {
    workloads: createWorkloads(engine),
    allocate: bound(allocate),
    assign: bound(assignAddress),
    release: bound(releaseAddresses),
    releaseByHandle: bound(releaseHandle),
    addressesOf: bound(describeAddressesOf),
    owners: { get: bound(getOwners), set: bound(setOwners) },
    affinities: {
      list: bound(listAffinities),
      claim: bound(claimAffinity),
      release: bound(releaseAffinity),
      releaseHost: bound(releaseHostAffinities),
      releasePool: bound(releasePoolAffinities),
    },
    pools: {
      checkFits: bound(checkFits),
      delete: bound((engine: Engine, name: string) =>
        deletePool(engine, name, async () => void (await settle())),
      ),
      split: bound(split),
    },
    configure: bound(configure),
    show: bound(showAddress),
    overview: bound(overview),
    check: bound(check),
    releaseFromReports: bound(releaseFromReports),
    collector: (options) => createCollector(engine, options),
  };
}

async function releaseHandle(engine: Engine, handle: string): Promise<readonly string[]> {
  const held = await addressesOf(engine, handle);
  const released = await releaseByHandle(engine, handle, { search: true });
  if (released.length === 0) throw new IpamError("HandleNotFound", `handle ${handle} has no addresses`);
  for (const cidr of new Map(held.map(({ block }) => [block.cidr, block])).values())
    await tidyAffinity(engine, cidr);
  return released;
}

async function describeAddressesOf(engine: Engine, handle: string): Promise<readonly AllocatedAddress[]> {
  return (await addressesOf(engine, handle)).map(({ address, block }) => ({
    address,
    family: block.family,
    blockPrefixLength: block.prefixLength,
  }));
}

async function checkFits(engine: Engine, pool: IPPool): Promise<void> {
  const { pools } = await engine.settings({ fresh: true });
  checkPoolFits(decodePool(pool), { pools, blocks: await engine.listBlocks() });
}

export function createEngine(options: IpamOptions): Engine {
  const { store, random = Math.random, clock: now = () => new Date(), wait = (ms) => delay(ms) } = options;
  const source =
    options.settings ?? createStoreSettings(store, options.settingsMaxAgeMs ?? 10_000, () => now().getTime());
  const readSettings = createSettings(source);
  let cooldownSeconds = 0;
  const settings: Engine["settings"] = async (how) => {
    const read = await readSettings(how);
    cooldownSeconds = read.configuration.ipCooldownSeconds;
    return read;
  };
  /** Up to 2^n milliseconds, at most 100, at random. */
  const backoff = (attempt: number) => wait(random() * Math.min(100, 2 ** Math.min(attempt, 7)));
  const blocks = new BlockTable({ store, now, backoff, cooldownSeconds: () => cooldownSeconds });
  const affinities = new Affinities({ store, blocks, now });
  const listing = new Flight(() => store.list("IPAMBlock"));
  const listBlocks = () => listing.run();
  const isOpen = async ({ name, cidr }: Pool) => {
    const object = await store.get("IPPool", name);
    const pool = object && decodePool(object);
    return pool?.allocatable === true && pool.cidr === cidr;
  };
  const hosts = new Map<string, Host>();
  const logger = options.logger ?? silent;
  return {
    store,
    blocks,
    affinities,
    settings,
    now,
    listBlocks,
    facts: options.facts,
    inventory: options.inventory,
    logger,
    replacedVm: options.replacedVm ?? "inherit",
    handleObjects: options.handleObjects ?? "when-needed",
    handles: new Handles({ store, backoff }),
    allocator: new Allocator({ store, blocks, listBlocks, now, random, logger }),
    host(node) {
      let host = hosts.get(node);
      if (!host) {
        host = new Host({ node, affinities, blocks, listBlocks, isOpen, now, random });
        hosts.set(node, host);
      }
      return host;
    },
  };
}
