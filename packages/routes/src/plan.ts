/** The difference between the routes that should be and those that are. Pure. */
import type { Link, Route, RouteChange } from "@fairlead/netlink";
import { type CheckedWorkload, hasRoutes, keyOf, routeTo, type Settings, wantedMetric } from "./desired.ts";

export interface Situation {
  /** In the order they were set: of two that claim one address with equal priority, the later wins. */
  readonly workloads: Iterable<CheckedWorkload>;
  readonly links: readonly Link[];
  /** Routes of the managed table. */
  readonly routes: readonly Route[];
}

/** Additions first, so that no packet finds a gap; then deletions. `waiting`: interfaces that are missing or down. */
export interface Plan {
  readonly additions: readonly RouteChange[];
  readonly deletions: readonly RouteChange[];
  readonly waiting: readonly string[];
}

export interface PlanOptions extends Settings {
  /** Delete routes that others made on interfaces of our workloads. */
  readonly removeExternalRoutes: boolean;
}

/** Protocol 2: what the kernel adds itself for a link's addresses. */
const PROTOCOL_KERNEL = 2;

export function plan(situation: Situation, options: PlanOptions): Plan {
  const links = new Map(situation.links.map((link) => [link.name, link]));
  const wanted = new Map<string, number>();
  const ownLinks = new Set<number>();
  const waiting: string[] = [];
  for (const workload of situation.workloads) {
    const link = links.get(workload.interfaceName);
    if (link !== undefined) ownLinks.add(link.index);
    if (!hasRoutes(workload)) continue;
    if (link === undefined || !link.up) {
      waiting.push(workload.interfaceName);
      continue;
    }
    for (const destination of workload.destinations) {
      wanted.set(id(destination, wantedMetric(options, destination, workload)), link.index);
    }
  }
  const present = new Set<string>();
  const deletions: RouteChange[] = [];
  for (const route of situation.routes) {
    if (route.table !== options.table || route.type !== "unicast") continue;
    const key = id(route.destination, route.metric);
    if (isOwn(route, options)) {
      if (wanted.get(key) === route.linkIndex) present.add(key);
      else deletions.push({ op: "delete", route: exactly(route) });
    } else if (options.removeExternalRoutes && isExternal(route, ownLinks)) {
      deletions.push({ op: "delete", route: exactly(route) });
    }
  }
  const additions: RouteChange[] = [];
  for (const [key, linkIndex] of wanted) {
    if (present.has(key)) continue;
    const [destination, metric] = key.split(" ") as [string, string];
    additions.push({ op: "prepend", route: routeTo(options, destination, linkIndex, Number(metric)) });
  }
  return { additions, deletions, waiting };

  function exactly(route: Route) {
    const { destination, metric, linkIndex } = route;
    if (linkIndex === undefined) return { destination, metric, table: route.table, protocol: route.protocol };
    return { ...keyOf(options, destination, linkIndex, metric), protocol: route.protocol };
  }
}

const id = (destination: string, metric: number): string => `${destination} ${metric}`;

/** Ours are host routes with our protocol; the protocol alone may also mark other things, as an address block's blackhole. */
export const isOwn = (route: Route, { protocol }: Settings): boolean =>
  route.protocol === protocol && route.destination.endsWith(route.family === 4 ? "/32" : "/128");

const isExternal = (route: Route, ownLinks: ReadonlySet<number>): boolean =>
  route.protocol !== PROTOCOL_KERNEL && route.linkIndex !== undefined && ownLinks.has(route.linkIndex);
