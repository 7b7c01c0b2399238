import type { Family } from "./ip.ts";

/** State of neighbour unreachability detection (NUD_*). */
export type NeighbourState =
  | "none"
  | "incomplete"
  | "reachable"
  | "stale"
  | "delay"
  | "probe"
  | "failed"
  | "noarp"
  | "permanent";

/** An entry of the ARP or NDP table, or a proxy entry. */
export interface Neighbour {
  readonly family: Family;
  readonly linkIndex: number;
  readonly address: string;
  /** Hardware address; undefined while unresolved and for proxy entries. */
  readonly mac: string | undefined;
  readonly state: NeighbourState;
  /** The kernel answers for this address on this link. */
  readonly proxy: boolean;
  readonly router: boolean;
}

/** A neighbour entry to set: one with a MAC, or a proxy entry. */
export type NeighbourSpec =
  | {
      readonly linkIndex: number;
      readonly address: string;
      readonly mac: string;
      /** Default `permanent`. */
      readonly state?: NeighbourState;
      readonly proxy?: false;
    }
  | { readonly linkIndex: number; readonly address: string; readonly proxy: true };

/** Which neighbour entry is meant. */
export interface NeighbourKey {
  readonly linkIndex: number;
  readonly address: string;
  readonly proxy?: boolean;
}

/** Which entries are meant; what is absent matches all. */
export interface NeighbourFilter {
  readonly family?: Family;
  readonly linkIndex?: number;
  /** True lists proxy entries, false (default) the others. */
  readonly proxy?: boolean;
}

/** The neighbour tables (ARP, NDP) of the namespace. */
export interface Neighbours {
  /** `ip neighbour show [dev NAME] [proxy]` */
  list(filter?: NeighbourFilter): Neighbour[];
  /** `ip neighbour add`. `AlreadyExists` when there is an entry (proxy: never). */
  add(neighbour: NeighbourSpec): void;
  /** `ip neighbour replace` */
  replace(neighbour: NeighbourSpec): void;
  /** `ip neighbour delete`. `NotFound` when there is none. */
  delete(neighbour: NeighbourKey): void;
}
