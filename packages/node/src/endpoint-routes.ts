import { isIPv4 } from "node:net";
import { type Attachment, asHostPrefix } from "@fairlead/cni";
import {
  defaultPriorities,
  metricOf,
  type Outcome,
  type Priorities,
  type WorkloadRoutes,
} from "@fairlead/routes";
import type { RoutePriority } from "./migration.ts";
import type { EndpointRoutes } from "./migration-components.ts";
import type { Timeline } from "./timeline.ts";

export interface EndpointRoutesOptions {
  readonly routes: WorkloadRoutes;
  readonly timeline: Timeline;
  readonly priorities?: { readonly ipv4?: Priorities; readonly ipv6?: Priorities };
  /** The guest's MAC if known, so that its first packet needs no neighbour resolution. */
  macOf(attachment: Attachment): string | undefined;
  readonly onError: (error: unknown, attachment: Attachment) => void;
}

/** What the routes of an endpoint are. */
interface Standing {
  readonly priority: RoutePriority;
  readonly rank: number;
}

const absent: Standing = { priority: "withdrawn", rank: 0 };

/** Endpoints' routes in the kernel, with each change told to the timeline after the kernel has acknowledged it. */
export function createEndpointRoutes(options: EndpointRoutesOptions): EndpointRoutes {
  const { routes, timeline, priorities = {}, macOf, onError } = options;
  const found = readKernel(routes);
  const current = new Map<string, Standing>();

  function tell(
    attachment: Attachment,
    event: "route-added" | "route-removed",
    { priority, rank }: Standing,
    at: bigint | undefined,
  ): void {
    if (priority === "withdrawn") return;
    const { pod, ifName, addresses } = attachment;
    for (const address of addresses) {
      const own = (isIPv4(address) ? priorities.ipv4 : priorities.ipv6) ?? defaultPriorities;
      timeline.record({
        event,
        endpoint: `${pod.namespace}/${pod.name}/${ifName}`,
        destination: asHostPrefix(address),
        family: isIPv4(address) ? 4 : 6,
        metric: metricOf(own, priority, rank),
        ...(at !== undefined && { at }),
      });
    }
  }

  function note(attachment: Attachment, now: Standing, outcome: Outcome | undefined, at?: bigint): void {
    for (const error of outcome?.errors ?? []) onError(error, attachment);
    const before = current.get(attachment.hostInterface) ?? absent;
    current.set(attachment.hostInterface, now);
    if (before.priority === now.priority && before.rank === now.rank) return;
    tell(attachment, "route-added", now, at);
    tell(attachment, "route-removed", before, at);
  }

  return {
    set(attachment, priority, { at, rank: wanted = 0 } = {}) {
      const { hostInterface: key, addresses } = attachment;
      const rank = priority === "elevated" ? wanted : 0;
      const now = { priority, rank };
      const isKnown = routes.get(key)?.addresses.join() === addresses.join();
      // The fast path: nothing but the state changes.
      if (isKnown && current.has(key)) return note(attachment, now, routes.setState(key, priority, rank), at);
      const mac = macOf(attachment);
      const workload = { interfaceName: key, addresses, state: priority, rank, ...(mac && { mac }) };
      note(attachment, now, routes.set(key, workload), at);
    },
    read({ hostInterface }) {
      const standing = found.get(hostInterface) ?? absent;
      // True once, of what an earlier run left: a later pod may bear the same interface name.
      found.delete(hostInterface);
      current.set(hostInterface, standing);
      return standing.priority;
    },
    rankOf: ({ hostInterface }) => (current.get(hostInterface) ?? absent).rank,
    remove(attachment) {
      found.delete(attachment.hostInterface);
      note(attachment, absent, routes.remove(attachment.hostInterface));
      current.delete(attachment.hostInterface);
    },
  };
}

/**
 * The best routes of each interface. One with a metric of neither state attracts traffic, too: it is from before the cluster's priorities
 * were changed, or the incumbent's.
 */
function readKernel(routes: WorkloadRoutes): Map<string, Standing> {
  const found = new Map<string, Standing>();
  for (const { interfaceName, state, rank = 0 } of routes.installed()) {
    const known = found.get(interfaceName) ?? absent;
    if (state === "elevated") found.set(interfaceName, { priority: state, rank: Math.max(rank, known.rank) });
    else if (known.priority === "withdrawn") found.set(interfaceName, { priority: "normal", rank });
  }
  return found;
}
