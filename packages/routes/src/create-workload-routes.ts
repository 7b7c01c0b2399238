import type { Family, NetlinkError, Route, RouteChange } from "@fairlead/netlink";
import {
  type CheckedWorkload,
  checkPriorities,
  checkWorkload,
  hasRoutes,
  isDone,
  isPending,
  keyOf,
  routeTo,
  wantedMetric,
} from "./desired.ts";
import { RoutesError } from "./error.ts";
import { followKernel } from "./follow-kernel.ts";
import { isOwn, type Plan, type PlanOptions, plan } from "./plan.ts";
import {
  defaultPriorities,
  type InstalledRoute,
  type Priorities,
  type RouteState,
  standingOf,
  type Workload,
} from "./workload.ts";
import type {
  KnownNeighbour,
  Outcome,
  Reconciliation,
  RoutesKernel,
  RunOptions,
  StatePlan,
  WorkloadRoutes,
  WorkloadRoutesOptions,
} from "./workload-routes.ts";

const noErrors: readonly RoutesError[] = [];
const settled: Outcome = { settled: true, waiting: false, errors: noErrors };
const waitingForLink: Outcome = { settled: false, waiting: true, errors: noErrors };

/** Throws `InvalidPriority`. Touches nothing yet. */
export function createWorkloadRoutes(options: WorkloadRoutesOptions): WorkloadRoutes {
  return new ReconciledRoutes(options);
}

class ReconciledRoutes implements WorkloadRoutes {
  readonly #kernel: RoutesKernel;
  readonly #options: PlanOptions;
  readonly #onWithdrawn: (destinations: readonly string[]) => void;
  readonly #onError: (error: RoutesError) => void;
  readonly #workloads = new Map<string, CheckedWorkload>();
  /** Who claims a destination: the workload set last. */
  readonly #claims = new Map<string, string>();
  /** Index by name, so that the fast path needs no look-up; corrected when the kernel says otherwise. */
  readonly #links = new Map<string, number>();

  constructor({ route, priorities = {}, onWithdrawn, onError, ...rest }: WorkloadRoutesOptions) {
    this.#kernel = route;
    const of = (family: Family, given: Priorities | undefined) =>
      checkPriorities(family, given ?? defaultPriorities);
    this.#options = {
      table: rest.table ?? 254,
      protocol: rest.protocol ?? 80,
      priorities: { 4: of(4, priorities.ipv4), 6: of(6, priorities.ipv6) },
      removeExternalRoutes: rest.removeExternalRoutes ?? true,
    };
    this.#onWithdrawn = onWithdrawn ?? (() => {});
    this.#onError = onError ?? (() => {});
  }

  set(key: string, workload: Workload): Outcome {
    const next = checkWorkload(key, workload);
    const previous = this.#workloads.get(key);
    this.#remember(key, previous, next);
    return this.#move(previous, next);
  }

  setState(key: string, state: RouteState, rank = 0): Outcome | undefined {
    const previous = this.#workloads.get(key);
    if (previous === undefined) return undefined;
    const next = { ...previous, state, rank };
    this.#remember(key, previous, next);
    return this.#move(previous, next);
  }

  remove(key: string): Outcome {
    const previous = this.#workloads.get(key);
    if (previous === undefined) return settled;
    this.#remember(key, previous, undefined);
    return this.#move(previous, { ...previous, destinations: [], state: "withdrawn" });
  }

  /** Set again is set last: it wins over another workload with the same address. */
  #remember(key: string, previous: CheckedWorkload | undefined, next: CheckedWorkload | undefined): void {
    this.#workloads.delete(key);
    for (const destination of previous?.destinations ?? []) {
      if (this.#claims.get(destination) === key) this.#claims.delete(destination);
    }
    if (next === undefined) return;
    this.#workloads.set(key, next);
    for (const destination of next.destinations) this.#claims.set(destination, key);
  }

  get(key: string): Workload | undefined {
    return this.#workloads.get(key);
  }

  /** One batch: the new routes, then what is left over of the old state. */
  #move(previous: CheckedWorkload | undefined, next: CheckedWorkload): Outcome {
    const linkIndex = this.#linkOf(next.interfaceName);
    if (linkIndex === undefined) return next.state === "withdrawn" ? settled : waitingForLink;
    const { state } = next;
    const changes = this.#changesTo(next, linkIndex, previous);
    const kept = new Set(next.destinations);
    const gone = previous?.destinations.filter((destination) => !kept.has(destination)) ?? [];
    const oldLink = previous === undefined ? undefined : this.#linkOf(previous.interfaceName);
    if (oldLink !== undefined) {
      for (const destination of gone) this.#leave(changes, destination, oldLink, previous);
      if (oldLink !== linkIndex) {
        for (const destination of next.destinations) this.#leave(changes, destination, oldLink, previous);
      }
    }
    this.#seedNeighbours(next, linkIndex);
    const outcome = this.#apply(changes);
    // The name may have come back with another index.
    if (outcome.waiting && this.#refreshLink(next.interfaceName, linkIndex))
      return this.#move(previous, next);
    const withdrawn = state === "withdrawn" ? [...next.destinations, ...gone] : gone;
    this.#reportWithdrawn(withdrawn, previous);
    return outcome;
  }

  planState(key: string, state: RouteState, rank = 0): StatePlan | undefined {
    const workload = this.#workloads.get(key);
    // Whoever does it later cannot correct an index: the kernel is asked.
    if (workload !== undefined) this.#links.delete(workload.interfaceName);
    const linkIndex = workload && this.#linkOf(workload.interfaceName);
    if (workload === undefined || linkIndex === undefined) return undefined;
    const next = { ...workload, state, rank };
    return { changes: this.#changesTo(next, linkIndex, workload), neighbours: neighboursOf(next, linkIndex) };
  }

  /** The new routes, then those of other states away. */
  #changesTo(next: CheckedWorkload, linkIndex: number, previous: CheckedWorkload | undefined): RouteChange[] {
    const changes: RouteChange[] = [];
    if (hasRoutes(next)) {
      for (const destination of next.destinations) {
        const metric = wantedMetric(this.#options, destination, next);
        changes.push({ op: "prepend", route: routeTo(this.#options, destination, linkIndex, metric) });
      }
    }
    for (const destination of next.destinations) this.#leave(changes, destination, linkIndex, previous, next);
    return changes;
  }

  /**
   * Takes away what the workload may have had: the route it had last, and those of both states, which another thread or an earlier run
   * may have made. An elevated one of another rank that is left over goes when everything is compared.
   */
  #leave(
    changes: RouteChange[],
    destination: string,
    linkIndex: number,
    previous: CheckedWorkload | undefined,
    next?: CheckedWorkload,
  ): void {
    const metrics = new Set([
      wantedMetric(this.#options, destination, { state: "elevated" }),
      wantedMetric(this.#options, destination, { state: "normal" }),
      ...(previous && hasRoutes(previous) ? [wantedMetric(this.#options, destination, previous)] : []),
    ]);
    if (next && hasRoutes(next)) metrics.delete(wantedMetric(this.#options, destination, next));
    for (const metric of metrics)
      changes.push({ op: "delete", route: keyOf(this.#options, destination, linkIndex, metric) });
  }

  #reportWithdrawn(destinations: readonly string[], previous: CheckedWorkload | undefined): void {
    if (previous === undefined || previous.state === "withdrawn" || destinations.length === 0) return;
    this.#onWithdrawn(destinations);
  }

  #seedNeighbours(workload: CheckedWorkload, linkIndex: number): void {
    for (const neighbour of neighboursOf(workload, linkIndex)) {
      try {
        this.#kernel.neighbours.replace(neighbour);
      } catch {
        // A hint only: without it the kernel resolves the address itself.
      }
    }
  }

  #apply(changes: readonly RouteChange[]): Outcome {
    if (changes.length === 0) return settled;
    const results = this.#kernel.routes.batch(changes);
    const errors: RoutesError[] = [];
    let waiting = false;
    for (const [i, error] of results.entries()) {
      const change = changes[i]!;
      if (error === undefined || isDone(change.op === "delete" ? "delete" : "prepend", error)) continue;
      if (isPending(error)) waiting = true;
      else errors.push(refused(change, error));
    }
    return errors.length === 0 && !waiting ? settled : { settled: false, waiting, errors };
  }

  #linkOf(name: string): number | undefined {
    const known = this.#links.get(name);
    if (known !== undefined) return known;
    const link = this.#kernel.links.get(name);
    if (link !== undefined) this.#links.set(name, link.index);
    return link?.index;
  }

  #refreshLink(name: string, stale: number): boolean {
    this.#links.delete(name);
    const fresh = this.#linkOf(name);
    return fresh !== undefined && fresh !== stale;
  }

  installed(): InstalledRoute[] {
    const names = new Map(this.#kernel.links.list().map((link) => [link.index, link.name]));
    const { table, protocol, priorities } = this.#options;
    return this.#kernel.routes
      .list({ table, protocol, type: "unicast" })
      .filter((route) => isOwn(route, this.#options))
      .map(({ destination, linkIndex, metric, family }) => {
        const interfaceName = names.get(linkIndex ?? 0) ?? "";
        const { state, rank = 0 } = standingOf(priorities[family], metric) ?? {};
        return { destination, interfaceName, metric, state, ...(rank > 0 && { rank }) };
      });
  }

  reconcile(beforeComparing: () => void = () => {}): Reconciliation {
    const links = this.#kernel.links.list();
    this.#links.clear();
    for (const link of links) this.#links.set(link.name, link.index);
    const routes = this.#kernel.routes.list({ table: this.#options.table });
    beforeComparing();
    const difference = plan({ workloads: this.#workloads.values(), links, routes }, this.#options);
    const { errors } = this.#apply([...difference.additions, ...difference.deletions]);
    this.#reportDeleted(difference, routes.length > 0);
    return {
      added: difference.additions.length,
      deleted: difference.deletions.length,
      waiting: difference.waiting,
      errors,
    };
  }

  #reportDeleted({ deletions }: Plan, any: boolean): void {
    if (deletions.length === 0 || !any) return;
    const still = new Set<string>();
    for (const { state, destinations } of this.#workloads.values()) {
      if (state !== "withdrawn") for (const destination of destinations) still.add(destination);
    }
    const gone = new Set(deletions.map(({ route }) => route.destination).filter((one) => !still.has(one)));
    if (gone.size > 0) this.#onWithdrawn([...gone]);
  }

  run(options: RunOptions = {}): Disposable {
    return followKernel(options, {
      subscribe: (onEvent) => this.#kernel.subscribe(["link", "route"], onEvent),
      concerns: (event) => event.type !== "route" || this.#concerns(event.change, event.route),
      reconcile: () => this.reconcile(options.beforeComparing).errors,
      onError: this.#onError,
    });
  }

  /** Our own changes and what BIRD does on other links cause no work: only a lost route of ours, or a new one of others on our links. */
  #concerns(change: "new" | "delete", { destination, protocol, metric, linkIndex }: Route): boolean {
    if (protocol !== this.#options.protocol) return change === "new" && this.#ownsLink(linkIndex);
    const workload = this.#workloads.get(this.#claims.get(destination) ?? "");
    if (workload === undefined || !hasRoutes(workload)) return change === "new";
    return (change === "delete") === (metric === wantedMetric(this.#options, destination, workload));
  }

  #ownsLink(linkIndex: number | undefined): boolean {
    for (const { interfaceName } of this.#workloads.values()) {
      if (linkIndex !== undefined && this.#links.get(interfaceName) === linkIndex) return true;
    }
    return false;
  }
}

/** Entries that spare the first packet a resolution. */
function neighboursOf({ mac, state, addresses }: CheckedWorkload, linkIndex: number): KnownNeighbour[] {
  if (mac === undefined || state === "withdrawn") return [];
  return addresses.map((address) => ({
    linkIndex,
    address: address.replace(/\/\d+$/, ""),
    mac,
    state: "reachable",
  }));
}

function refused(change: RouteChange, cause: NetlinkError): RoutesError {
  return new RoutesError(
    "KernelRefused",
    `the kernel refused to ${change.op} the route to ${change.route.destination}`,
    cause,
  );
}
