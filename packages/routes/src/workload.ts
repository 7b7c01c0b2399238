/**
 * What a workload's routes should be.
 *
 * - `withdrawn`: none. A migration target before its guest has announced itself.
 * - `normal`: the ordinary priority.
 * - `elevated`: better than any normal route in the network; for a while after a migration.
 */
export type RouteState = "withdrawn" | "normal" | "elevated";

/** A workload on this node. */
export interface Workload {
  /** Name of its host-side veth. It may not exist yet: the routes follow when it does. */
  readonly interfaceName: string;
  /** Its addresses of both families, each without prefix length or with the full one. */
  readonly addresses: readonly string[];
  readonly state: RouteState;
  /**
   * The guest's MAC, if known: the first packet after a move then needs no neighbour resolution. Only a hint: the entry ages as one that was
   * resolved.
   */
  readonly mac?: string;
}

/** Kernel metrics by state, for one family. Lower wins. Whole numbers from 1 to 2147483646, elevated below normal. */
export interface Priorities {
  readonly normal: number;
  readonly elevated: number;
}

/** Kernel metrics when nobody says otherwise. */
export const defaultPriorities: Priorities = { normal: 1024, elevated: 512 };

/** A workload route found in the kernel. */
export interface InstalledRoute {
  /** `10.0.0.1/32` */
  readonly destination: string;
  readonly interfaceName: string;
  readonly metric: number;
  /** By its metric; undefined for a metric of neither state. */
  readonly state: Exclude<RouteState, "withdrawn"> | undefined;
}
