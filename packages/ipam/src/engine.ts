import type { Affinities } from "./affinities.ts";
import type { Allocator } from "./allocator.ts";
import type { BlockTable } from "./block-table.ts";
import type { ClusterFacts } from "./facts.ts";
import type { HandleObjects } from "./handle-objects.ts";
import type { Handles } from "./handles.ts";
import type { Host } from "./host.ts";
import type { ClusterInventory } from "./inventory.ts";
import type { IPAMBlock } from "./resources.ts";
import type { Settings } from "./settings.ts";
import type { IpamStore } from "./store.ts";

/** The parts of one address manager, wired together by `createIpam`. */
export interface Engine {
  readonly store: IpamStore;
  readonly blocks: BlockTable;
  readonly handles: Handles;
  readonly affinities: Affinities;
  readonly allocator: Allocator;
  readonly facts: ClusterFacts | undefined;
  /** Everything the cluster has, at one moment. */
  readonly inventory: (() => Promise<ClusterInventory>) | undefined;
  readonly logger: IpamLogger;
  readonly now: () => Date;
  readonly host: (node: string) => Host;
  readonly settings: (options?: { readonly fresh: boolean }) => Promise<Settings>;
  readonly listBlocks: () => Promise<readonly IPAMBlock[]>;
  /** Whose address a new VM of an old name gets. */
  readonly replacedVm: "inherit" | "renew";
  /** Which ordinary pods get an IPAMHandle object: those with borrowed addresses, or all. */
  readonly handleObjects: HandleObjects;
}

/** pino's shape. */
export interface IpamLogger {
  info(context: object, message: string): void;
  warn(context: object, message: string): void;
}
