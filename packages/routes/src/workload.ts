/**
 * What a workload's routes should be.
 *
 * - `withdrawn`: none. A migration target before its guest has announced itself.
 * - `normal`: the ordinary priority.
 * - `elevated`: better than any normal route in the network; for a while after a migration. Of two elevated ones that with the higher
 *   rank is better.
 */
export type RouteState = "withdrawn" | "normal" | "elevated";

/** A workload on this node. */
export interface Workload {
  /** Name of its host-side veth. It may not exist yet: the routes follow when it does. */
  readonly interfaceName: string;
  /** Its addresses of both families, each without prefix length or with the full one. */
  readonly addresses: readonly string[];
  readonly state: RouteState;
  /** Of elevated routes: how many steps better than the first elevated metric, 0 to {@link deepestRank}; default 0. */
  readonly rank?: number;
  /**
   * The guest's MAC, if known: the first packet after a move then needs no neighbour resolution. Only a hint: the entry ages as one that was
   * resolved.
   */
  readonly mac?: string;
}

/**
 * Kernel metrics by state, for one family. Lower wins. Whole numbers from 1 to 2147483646, elevated below normal. `elevated` is the
 * first of a band: rank r has the metric `elevated - r`.
 */
export interface Priorities {
  readonly normal: number;
  readonly elevated: number;
}

/** Kernel metrics when nobody says otherwise. */
export const defaultPriorities: Priorities = { normal: 1024, elevated: 512 };

/** The last rank of the band of elevated metrics: 31, or less where the metric would not be positive. */
export const deepestRank = ({ elevated }: Priorities): number => Math.min(31, elevated - 1);

/** The metric of a state. A rank deeper than the band is the band's last. */
export const metricOf = (priorities: Priorities, state: "normal" | "elevated", rank = 0): number =>
  state === "normal" ? priorities.normal : priorities.elevated - Math.min(rank, deepestRank(priorities));

/** The state and rank of a metric; undefined for a metric of neither state. */
export function standingOf(
  priorities: Priorities,
  metric: number,
): { readonly state: "normal" | "elevated"; readonly rank: number } | undefined {
  if (metric === priorities.normal) return { state: "normal", rank: 0 };
  const rank = priorities.elevated - metric;
  return rank >= 0 && rank <= deepestRank(priorities) ? { state: "elevated", rank } : undefined;
}

/** A workload route found in the kernel. */
export interface InstalledRoute {
  /** `10.0.0.1/32` */
  readonly destination: string;
  readonly interfaceName: string;
  readonly metric: number;
  /** By its metric; undefined for a metric of neither state. */
  readonly state: Exclude<RouteState, "withdrawn"> | undefined;
  /** Of an elevated one; absent for 0. */
  readonly rank?: number;
}
