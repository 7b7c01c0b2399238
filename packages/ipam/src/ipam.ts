import { setTimeout as delay } from "node:timers/promises";
import { Affinities } from "./affinities.ts";
import { Allocator } from "./allocator.ts";
import { BlockTable } from "./block-table.ts";
import type { Engine, IpamLogger } from "./engine.ts";
import type { ClusterFacts } from "./facts.ts";
import { Flight } from "./flight.ts";
import { Handles } from "./handles.ts";
import { Host } from "./host.ts";
import { createSettings, createStoreSettings, type SettingsSource } from "./settings.ts";
import type { IpamStore } from "./store.ts";
import type { Workloads } from "./workload-types.ts";
import { createWorkloads } from "./workloads.ts";

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
  /**
   * A new VM with the name of a deleted one: `inherit` (default) gets its addresses, `renew` gets others. In both cases only after the
   * pods of the old VM are gone.
   */
  readonly replacedVm?: "inherit" | "renew" | undefined;
  /**
   * `when-needed` (default): the block says which addresses an ordinary pod has, no IPAMHandle object is written for it unless it
   * borrows. `always`: one object per pod, for tools that look pods up by handle.
   */
  readonly handleObjects?: "when-needed" | "always" | undefined;
}

/** An address manager. Any number of them, in any number of processes, may share one store. */
export interface Ipam {
  readonly workloads: Workloads;
}

const silent: IpamLogger = { info() {}, warn() {} };

export function createIpam(options: IpamOptions): Ipam {
  return { workloads: createWorkloads(createEngine(options)) };
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
  const hosts = new Map<string, Host>();
  return {
    store,
    blocks,
    affinities,
    settings,
    now,
    listBlocks,
    facts: options.facts,
    logger: options.logger ?? silent,
    replacedVm: options.replacedVm ?? "inherit",
    handleObjects: options.handleObjects ?? "when-needed",
    handles: new Handles({ store, backoff }),
    allocator: new Allocator({ store, blocks, listBlocks, now, random }),
    host(node) {
      let host = hosts.get(node);
      if (!host) {
        host = new Host({ node, affinities, blocks, listBlocks, now, random });
        hosts.set(node, host);
      }
      return host;
    },
  };
}
