import { isIPv4 } from "node:net";
import { type Attachment, asHostPrefix } from "@fairlead/cni";
import { defaultPriorities, type Outcome, type Priorities, type WorkloadRoutes } from "@fairlead/routes";
import type { RoutePriority } from "./migration.ts";
import type { EndpointRoutes } from "./migrations.ts";
import type { Timeline } from "./timeline.ts";

export interface EndpointRoutesOptions {
  readonly routes: WorkloadRoutes;
  readonly timeline: Timeline;
  readonly priorities?: { readonly ipv4?: Priorities; readonly ipv6?: Priorities };
  /** The guest's MAC if known, so that its first packet needs no neighbour resolution. */
  macOf(attachment: Attachment): string | undefined;
  readonly onError: (error: unknown, attachment: Attachment) => void;
}

/** Endpoints' routes in the kernel, with each change told to the timeline after the kernel has acknowledged it. */
export function createEndpointRoutes(options: EndpointRoutesOptions): EndpointRoutes {
  const { routes, timeline, priorities = {}, macOf, onError } = options;
  const found = readKernel(routes);
  const current = new Map<string, RoutePriority>();

  const metricOf = (address: string, priority: "normal" | "elevated") =>
    ((isIPv4(address) ? priorities.ipv4 : priorities.ipv6) ?? defaultPriorities)[priority];

  function tell(
    attachment: Attachment,
    event: "route-added" | "route-removed",
    priority: RoutePriority,
    at: bigint | undefined,
  ): void {
    if (priority === "withdrawn") return;
    const { pod, ifName, addresses } = attachment;
    for (const address of addresses)
      timeline.record({
        event,
        endpoint: `${pod.namespace}/${pod.name}/${ifName}`,
        destination: asHostPrefix(address),
        family: isIPv4(address) ? 4 : 6,
        metric: metricOf(address, priority),
        ...(at !== undefined && { at }),
      });
  }

  function note(
    attachment: Attachment,
    priority: RoutePriority,
    outcome: Outcome | undefined,
    at?: bigint,
  ): void {
    for (const error of outcome?.errors ?? []) onError(error, attachment);
    const before = current.get(attachment.hostInterface) ?? "withdrawn";
    current.set(attachment.hostInterface, priority);
    if (before === priority) return;
    tell(attachment, "route-added", priority, at);
    tell(attachment, "route-removed", before, at);
  }

  return {
    set(attachment, priority, at) {
      const { hostInterface: key, addresses } = attachment;
      const isKnown = routes.get(key)?.addresses.join() === addresses.join();
      // The fast path: nothing but the state changes.
      if (isKnown && current.has(key)) return note(attachment, priority, routes.setState(key, priority), at);
      const mac = macOf(attachment);
      const workload = { interfaceName: key, addresses, state: priority, ...(mac && { mac }) };
      note(attachment, priority, routes.set(key, workload), at);
    },
    read({ hostInterface }) {
      const priority = found.get(hostInterface) ?? "withdrawn";
      // True once, of what an earlier run left: a later pod may bear the same interface name.
      found.delete(hostInterface);
      current.set(hostInterface, priority);
      return priority;
    },
    remove(attachment) {
      found.delete(attachment.hostInterface);
      note(attachment, "withdrawn", routes.remove(attachment.hostInterface));
      current.delete(attachment.hostInterface);
    },
  };
}

/** The best priority of each interface's routes. */
function readKernel(routes: WorkloadRoutes): Map<string, RoutePriority> {
  const found = new Map<string, RoutePriority>();
  for (const { interfaceName, state } of routes.installed())
    if (state && found.get(interfaceName) !== "elevated") found.set(interfaceName, state);
  return found;
}
