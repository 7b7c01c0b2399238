import { createIpam, type Ipam, type IpamOptions } from "./ipam.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import { blockName } from "./names.ts";

export { createMemoryStore, type MemoryStore } from "./memory-store.ts";

/** The pools and the cluster of a fake. */
export interface FakeIpamOptions extends Omit<IpamOptions, "store"> {
  /** CIDRs of the pools; by default one per family. */
  readonly pools?: readonly string[];
  /** The cluster it shares with other fakes. */
  readonly store?: MemoryStore;
}

/** The real address manager over a store in memory, with pools in place. */
export function createFakeIpam({
  pools = ["10.244.0.0/16", "fd00:10:244::/64"],
  store = createMemoryStore(),
  ...options
}: FakeIpamOptions = {}): { readonly ipam: Ipam; readonly store: MemoryStore } {
  for (const cidr of pools) store.load("IPPool", { metadata: { name: blockName(cidr) }, spec: { cidr } });
  return { ipam: createIpam({ ...options, store }), store };
}

export { createFaultyStore, type FaultyStore, StoreCrash, type StoreFault } from "./faulty-store.ts";
export { seeded } from "./random.ts";
export type { SimulationResult } from "./simulated-cluster.ts";
export { simulate } from "./simulation.ts";
export { findViolations, type ViolationOptions } from "./violations.ts";
