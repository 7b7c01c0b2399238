/**
 * The controller of one cluster: pools from the Installation, collection of leaked addresses.
 *
 * @packageDocumentation
 */
export {
  createPoolController,
  type PoolController,
  type PoolControllerOptions,
} from "./pool-controller.ts";
export {
  declaredPools,
  managedLabel,
  type PoolChange,
  planPools,
  type WantedPool,
  wantedPools,
} from "./pools.ts";
export { type Rounds, type RoundsOptions, runRounds } from "./rounds.ts";
export {
  createUnsupportedReporter,
  findUnsupported,
  type Unsupported,
  type UnsupportedReporter,
} from "./unsupported.ts";
export { type ClusterLog, createWarner, type Warner } from "./warner.ts";
