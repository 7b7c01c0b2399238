export * from "./errors.ts";
export type { ClusterFacts, PodFact, VmFact, VmiFact } from "./facts.ts";
export { createIpam, type Ipam, type IpamOptions } from "./ipam.ts";
export { createKubernetesStore, type KubernetesStoreOptions } from "./kubernetes-store.ts";
export { createMemoryStore, type MemoryStore } from "./memory-store.ts";
export * from "./resources.ts";
export type { SettingsObjects, SettingsSource } from "./settings.ts";
export * from "./store.ts";
export * from "./workload-types.ts";
