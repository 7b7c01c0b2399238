/** A named port of a pod, for rules that name a port instead of giving its number. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
}

/**
 * A workload interface of this node, as the agent knows it.
 *
 * Empty is not absent: an endpoint without addresses or without MACs may send nothing but link-local IPv6.
 */
export interface LocalEndpoint {
  /** Unique and stable while the interface lives, for example `k8s/namespace.pod/eth0`. */
  readonly id: string;
  /** Host-side interface name, at most 15 bytes. */
  readonly interfaceName: string;
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  /** IPv4 and IPv6 addresses, without prefix length. */
  readonly addresses: readonly string[];
  /**
   * Every MAC a frame of this workload may carry. After a live migration the guest's MAC differs from the one the
   * target pod was given, so a VM has two.
   */
  readonly macs: readonly string[];
  readonly ports?: readonly NamedPort[];
  /** Source prefixes this workload may use besides its own addresses, for example a VM that routes. */
  readonly allowedSourcePrefixes?: readonly string[];
  /**
   * - `running`: policy applies, packets that conntrack calls invalid are dropped.
   * - `arriving`: a migration target, up to the end of convergence. Conntrack sees its connections in midstream, so
   *   a packet it calls invalid is judged by policy instead of dropped, and a midstream TCP segment is also let through
   *   when policy allows the connection it answers.
   * - `down`: nothing passes.
   */
  readonly state: EndpointState;
}

/** `arriving`: a migration's target, where answers of connections in midstream pass. `down`: nothing passes. */
export type EndpointState = "running" | "arriving" | "down";
