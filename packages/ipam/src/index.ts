export type { AffinityView, PoolDeletion } from "./affinity-operations.ts";
export type { AllocatedAddress, AllocateRequest, AllocateResult, AssignRequest } from "./allocate.ts";
export { type AssignedAddress, assignedAddresses } from "./assigned.ts";
export { attribute, handleAnnotation } from "./attributes.ts";
export { type CheckedAddress, type CheckedHandle, type CheckReport, problemCount } from "./check.ts";
export type { Collector, CollectorOptions, CollectReport } from "./collect.ts";
export {
  configurationDefaults,
  configurationName,
  decodeConfiguration,
  type EffectiveConfiguration,
} from "./configuration.ts";
export {
  type ConfigureOptions,
  configurationRows,
  parseConfigureOptions,
  renderConfigured,
} from "./configure.ts";
export * from "./errors.ts";
export type { ClusterFacts, NodeFact, PodFact, VmFact, VmiFact } from "./facts.ts";
export { chooseHandleObjects, type HandleObjects, handleObjectsSettings } from "./handle-objects.ts";
export { type ClusterInventory, factsOf } from "./inventory.ts";
export { createIpam, type Ipam, type IpamOptions } from "./ipam.ts";
export { createKubernetesFacts, type KubernetesFactsOptions, readInventory } from "./kubernetes-facts.ts";
export { createKubernetesStore, type KubernetesStoreOptions } from "./kubernetes-store.ts";
export {
  type LeakReport,
  parseLeakReport,
  type ReportContext,
  type ReportedRelease,
  writeLeakReport,
} from "./leak-report.ts";
export { createMemoryStore, type MemoryStore } from "./memory-store.ts";
export { affinityName, blockName, containerHandle, handleName, vmHandle } from "./names.ts";
export type { AddressOwners, ExpectedOwner, SetOwners } from "./owners.ts";
export { decodePool, type Pool } from "./pool.ts";
export type { AddressRelease, ReleaseResult } from "./release-addresses.ts";
export { type CheckFlags, renderCheck } from "./render-check.ts";
export { renderReportedRelease } from "./render-release.ts";
export { renderAddress, renderShow, type ShowFlags } from "./render-show.ts";
export * from "./resources.ts";
export type { SettingsObjects, SettingsSource } from "./settings.ts";
export type { BorrowedAddress, Overview, PoolUsage, ShownAddress, Usage } from "./show.ts";
export type { SplitRequest } from "./split.ts";
export * from "./store.ts";
export { createViewSettings, type ViewSettingsOptions } from "./view-settings.ts";
export * from "./workload-types.ts";
