import type { Family } from "./ip.ts";

/** One direction of a tracked connection. */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** Undefined for protocols without ports. */
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
  /** Undefined for protocols other than ICMP. */
  readonly icmp?: { readonly id: number; readonly type: number; readonly code: number } | undefined;
}

/** One tracked connection. */
export interface ConntrackEntry {
  readonly family: Family;
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
  /** IPS_* bits (linux/netfilter/nf_conntrack_common.h). */
  readonly status: number;
  readonly mark: number;
  /** Seconds left. */
  readonly timeout: number | undefined;
  readonly zone: number;
}

/** Without `reply`: the original turned round. `timeout` in seconds, default 60. */
export type NewConntrackEntry = Pick<ConntrackEntry, "original"> &
  Partial<Pick<ConntrackEntry, "reply" | "mark" | "timeout">>;
