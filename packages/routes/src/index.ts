/**
 * Routes to the workloads of a node, with priorities: withdrawn, normal, elevated.
 *
 * @packageDocumentation
 */
export { RoutesError, type RoutesErrorCode } from "./error.ts";
export {
  defaultPriorities,
  type InstalledRoute,
  type Priorities,
  type RouteState,
  type Workload,
} from "./workload.ts";
export {
  createWorkloadRoutes,
  type Outcome,
  type Reconciliation,
  type RoutesKernel,
  type RunOptions,
  type StatePlan,
  type WorkloadRoutes,
  type WorkloadRoutesOptions,
} from "./workload-routes.ts";
