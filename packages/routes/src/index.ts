/**
 * Routes to the workloads of a node, with priorities: withdrawn, normal, elevated.
 *
 * @packageDocumentation
 */
export { createWorkloadRoutes } from "./create-workload-routes.ts";
export { RoutesError, type RoutesErrorCode } from "./error.ts";
export {
  deepestRank,
  defaultPriorities,
  type InstalledRoute,
  metricOf,
  type Priorities,
  type RouteState,
  type Workload,
} from "./workload.ts";
export type {
  KnownNeighbour,
  Outcome,
  Reconciliation,
  RoutesKernel,
  RunOptions,
  StatePlan,
  WorkloadRoutes,
  WorkloadRoutesOptions,
} from "./workload-routes.ts";
