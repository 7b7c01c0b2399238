/** Checks and the translation of a workload into routes. Pure. */
import {
  type Family,
  formatPrefix,
  type NetlinkError,
  parsePrefix,
  type RouteKey,
  type RouteSpec,
} from "@fairlead/netlink";
import { RoutesError } from "./error.ts";
import { metricOf, type Priorities, type Workload } from "./workload.ts";

export interface Settings {
  readonly table: number;
  readonly protocol: number;
  readonly priorities: Readonly<Record<Family, Priorities>>;
}

/** A workload with its addresses as host prefixes, `10.0.0.1/32`, each once. */
export interface CheckedWorkload extends Workload {
  readonly destinations: readonly string[];
}

/** 2147483647 is left out, as is 0: BGP's local preference is 2147483647 minus the metric, and IPv6 makes 1024 of 0. */
const HIGHEST_METRIC = 2147483646;

/** Throws `InvalidPriority`. */
export function checkPriorities(family: Family, priorities: Priorities): Priorities {
  for (const [name, value] of Object.entries(priorities)) {
    if (Number.isInteger(value) && value >= 1 && value <= HIGHEST_METRIC) continue;
    throw new RoutesError(
      "InvalidPriority",
      `IPv${family} ${name} priority ${value}: use 1 to ${HIGHEST_METRIC}`,
    );
  }
  if (priorities.elevated < priorities.normal) return priorities;
  const { elevated, normal } = priorities;
  throw new RoutesError(
    "InvalidPriority",
    `IPv${family}: elevated priority ${elevated} must be less than normal ${normal}; the lower metric wins`,
  );
}

/** Throws `InvalidWorkload`. */
export function checkWorkload(key: string, workload: Workload): CheckedWorkload {
  const destinations = new Set(workload.addresses.map((address) => destinationOf(key, address)));
  return { ...workload, destinations: [...destinations] };
}

function destinationOf(key: string, address: string): string {
  let cause: unknown;
  try {
    const { address: bytes, length } = parsePrefix(address);
    if (length === bytes.length * 8) return formatPrefix(bytes, length);
  } catch (error) {
    cause = error;
  }
  throw new RoutesError("InvalidWorkload", `workload ${key}: ${address} is no single IP address`, cause);
}

export const familyOf = (destination: string): Family => (destination.includes(":") ? 6 : 4);

/** The metric a workload's route to a destination is to have. */
export const wantedMetric = (
  settings: Settings,
  destination: string,
  { state, rank }: { readonly state: "normal" | "elevated"; readonly rank?: number },
): number => metricOf(settings.priorities[familyOf(destination)], state, rank);

/** Narrows to what has routes. */
export const hasRoutes = <W extends Workload>(
  workload: W,
): workload is W & { state: "normal" | "elevated" } => workload.state !== "withdrawn";

/**
 * A workload's route. `preference` decides on IPv6 against another route with the same metric, as BIRD installs one for a VM that has just
 * left and comes back; on IPv4 the order of `prepend` does.
 */
export const routeTo = (
  settings: Settings,
  destination: string,
  linkIndex: number,
  metric: number,
): RouteSpec => ({
  destination,
  linkIndex,
  metric,
  table: settings.table,
  protocol: settings.protocol,
  scope: "link",
  preference: "high",
});

/** Names exactly one of our own routes: one of BIRD's with the same prefix and metric does not match. */
export const keyOf = (
  settings: Settings,
  destination: string,
  linkIndex: number,
  metric: number,
): RouteKey => ({
  destination,
  linkIndex,
  metric,
  table: settings.table,
  protocol: settings.protocol,
});

/** Asked-for and already so: adding what is there, deleting what is not, or what the kernel took away with its link. */
export const isDone = (op: "prepend" | "delete", error: NetlinkError): boolean =>
  op === "prepend" ? error.code === "AlreadyExists" : error.code === "NotFound" || error.code === "NoDevice";

/** The link is not there or not up: the routes follow with it. */
export const isPending = (error: NetlinkError): boolean =>
  error.code === "NoDevice" || error.code === "NetworkDown";
