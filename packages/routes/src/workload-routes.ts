import type { NeighbourSpec, RouteChange, RouteSocket } from "@fairlead/netlink";
import type { RoutesError } from "./error.ts";
import type { InstalledRoute, Priorities, RouteState, Workload } from "./workload.ts";

/** What is needed of a `RouteSocket`; the fake of `@fairlead/netlink/fake` has it too. */
export type RoutesKernel = Pick<RouteSocket, "links" | "routes" | "neighbours" | "subscribe">;

/** The kernel, the metrics, and what is not ours. */
export interface WorkloadRoutesOptions {
  readonly route: RoutesKernel;
  /** Default 254, main. */
  readonly table?: number;
  /** Default 80. */
  readonly protocol?: number;
  /** Default for both families: normal 1024, elevated 512. */
  readonly priorities?: { readonly ipv4?: Priorities; readonly ipv6?: Priorities };
  /** Delete routes others made on our workloads' interfaces. Default true. */
  readonly removeExternalRoutes?: boolean;
  /** After the last route to these (`10.0.0.1/32`) was deleted here: the place to forget tracked connections. */
  readonly onWithdrawn?: (destinations: readonly string[]) => void;
  /** What the kernel refused in the background; it is tried again. */
  readonly onError?: (error: RoutesError) => void;
}

/** What a call did. */
export interface Outcome {
  /** All routes are in the kernel as they should be. */
  readonly settled: boolean;
  /** Its interface is missing or down; the routes follow with it. */
  readonly waiting: boolean;
  /** What the kernel refused. */
  readonly errors: readonly RoutesError[];
}

/** What a comparison changed, and what it could not. */
export interface Reconciliation {
  readonly added: number;
  readonly deleted: number;
  /** Interfaces that are missing or down. */
  readonly waiting: readonly string[];
  readonly errors: readonly RoutesError[];
}

/** How long to follow the kernel, and what to do before comparing. */
export interface RunOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds between full reconciliations without any event. Default 90 000. */
  readonly interval?: number;
  /** Milliseconds from an event to the reconciliation it causes, to gather a burst. Default 10. */
  readonly quiet?: number;
  /** See `reconcile`. */
  readonly beforeComparing?: () => void;
}

/** A neighbour whose MAC is known. */
export type KnownNeighbour = Extract<NeighbourSpec, { readonly mac: string }>;

/** What another thread may do in place of `setState`. */
export interface StatePlan {
  readonly changes: readonly RouteChange[];
  /** To tell the kernel before the changes, at any time: without a route they attract nothing. */
  readonly neighbours: readonly KnownNeighbour[];
}

/**
 * The routes of this node's workloads, kept as they should be.
 *
 * `set` acts at once and only ever adds and deletes routes of that workload. `reconcile` compares everything, and also deletes what belongs to no
 * workload: call it (or `run`) only when all workloads are known. A restart therefore takes over what it finds, without a flap.
 */
export interface WorkloadRoutes {
  /** Sets a workload; its routes are in the kernel when this returns. Throws `InvalidWorkload`. */
  set(key: string, workload: Workload): Outcome;
  /** Changes only the state and the rank of elevated routes: the fast path after an announcement. Undefined for an unknown key. */
  setState(key: string, state: RouteState, rank?: number): Outcome | undefined;
  /**
   * What `setState` would ask of the kernel, nothing of it done. Whoever does it elsewhere calls `setState` afterwards, which then finds it done.
   * Undefined for an unknown key and without the interface.
   */
  planState(key: string, state: RouteState, rank?: number): StatePlan | undefined;
  /** Forgets a workload and deletes its routes. */
  remove(key: string): Outcome;
  get(key: string): Workload | undefined;
  /** What is in the kernel now, by destination; after a restart this tells which workloads were elevated. */
  installed(): InstalledRoute[];
  /**
   * Compares with the kernel and closes the difference. `beforeComparing` is called after the kernel was read: the last moment to `setState` for what
   * another thread has done, so that it is not taken for foreign.
   */
  reconcile(beforeComparing?: () => void): Reconciliation;
  /** Reconciles now, after every relevant kernel event, and from time to time. */
  run(options?: RunOptions): Disposable;
}
