export { activePodName } from "./active-pod.ts";
export { type GuestMac, guestMac, isCertain, type KnownMacs, normalizeMac } from "./guest-mac.ts";
export {
  identifyWorkload,
  instanceReference,
  type Undecided,
  type VmRole,
  type VmWorkload,
  type Workload,
  type WorkloadObjects,
} from "./identify.ts";
export { IdentityError, type IdentityErrorCode } from "./identity-error.ts";
export { type LookupOptions, lookupWorkload, type ObjectSource } from "./lookup.ts";
export { migrationNameAnnotation, migrationUidLabel } from "./names.ts";
export {
  hasSwitchedOver,
  isFinal,
  type MigrationObjects,
  type MigrationProgress,
  progressOf,
} from "./progress.ts";
export { type GuestPlace, type PodObjects, type PodPart, type PodSight, sightOf } from "./sight.ts";
