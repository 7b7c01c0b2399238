import { hash } from "node:crypto";

/** Sets and maps that exist always, whatever the policies. */
export const sets = {
  fromWorkload: "from-workload",
  toWorkload: "to-workload",
  interfaces: "workload-interfaces",
  /** Workloads that have just come from another node. */
  arriving: "arriving-interfaces",
  macs: "workload-macs",
  source4: "workload-sources-4",
  source6: "workload-sources-6",
  prefix4: "workload-prefixes-4",
  prefix6: "workload-prefixes-6",
  address4: "workload-addresses-4",
  address6: "workload-addresses-6",
} as const;

export const chains = {
  guard: "workload-guard",
  fromDispatch: "from-workload-dispatch",
  toDispatch: "to-workload-dispatch",
  workloadToHost: "workload-to-host",
  hostAction: "workload-to-host-action",
  hostToWorkload: "host-to-workload",
} as const;

/** Interface names are checked before they get here, so they can stand in a chain's name. */
export const fromEndpoint = (interfaceName: string): string => `from-${interfaceName}`;
export const toEndpoint = (interfaceName: string): string => `to-${interfaceName}`;

/** Names made of anything else are hashed: 80 bits, stable across restarts. */
export function hashed(prefix: string, identity: string): string {
  return `${prefix}-${hash("sha256", identity, "hex").slice(0, 20)}`;
}

/**
 * A text for the reader of `nft list`, made harmless: somebody will feed that list back into `nft -f`, and nft
 * does not escape comments.
 */
export function comment(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._/:-]/g, "_").slice(0, 120);
}

/** The chain with the ordinary judgement, where segments of connections that arrive with a workload are looked at first. */
export const regularChain = (chain: string): string => hashed("regular", chain);
