/** BIRD as it describes itself. */
export interface BirdStatus {
  /** For example `2.0.12`. */
  readonly version: string;
  readonly routerId: string;
  readonly state: "running" | "reconfiguring" | "recovering" | "stopping";
  readonly protocols: readonly ProtocolStatus[];
}

/** One protocol instance as `show protocols all` reports it; a BGP session has a `neighbour`. */
export interface ProtocolStatus {
  readonly name: string;
  /** `BGP`, `Kernel`, `Static`, ... */
  readonly type: string;
  readonly up: boolean;
  /** As BIRD prints it: `Established`, `Active`, `Connect`, ... Empty for other protocols than BGP. */
  readonly info: string;
  /** Of a BGP session. */
  readonly neighbour?: { readonly address: string; readonly asNumber: number };
  /** Of a BGP session: the neighbour keeps our routes for a while when BIRD goes without a word (graceful restart, RFC 4724). */
  readonly keepsRoutes?: boolean;
  /** Routes of all channels together. */
  readonly routes?: { readonly imported: number; readonly exported: number };
}

/** One route of BIRD's table. */
export interface RouteEntry {
  readonly network: string;
  readonly primary: boolean;
  readonly protocol: string;
  /** `BGP`, `inherit` (learned from the kernel), `static`, ... */
  readonly source?: string;
  readonly preference: number;
  readonly via?: string;
  readonly interface?: string;
  readonly localPreference?: number;
  /** The next hop of a BGP route as it was announced. */
  readonly nextHop?: string;
  readonly kernelMetric?: number;
  readonly communities: readonly string[];
}

/** A route that another node announces, as this node's BIRD has learned it over BGP. */
export interface RouteElsewhere {
  /** As it was asked for, for example `10.244.1.5/32`. */
  readonly destination: string;
  /** What its local preference stands for, see `metricOf`; lower wins. */
  readonly metric: number;
  /** The BGP protocol that has it. */
  readonly protocol: string;
  /** The next hop as it was announced. */
  readonly nextHop?: string;
}
