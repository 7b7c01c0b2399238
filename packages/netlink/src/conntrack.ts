import type { Family } from "./ip.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

/** One direction of a tracked connection. */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** Undefined for protocols without ports. */
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
}

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

export interface ConntrackFilter {
  readonly family?: Family;
  /** Source or destination of either direction. */
  readonly address?: string;
}

/** The connection tracking table of one namespace. */
export interface Conntrack extends Disposable {
  /** `conntrack -L` */
  list(filter?: ConntrackFilter): ConntrackEntry[];
  /** `conntrack -D --orig-src A`, `--orig-dst A`, `--reply-src A`, `--reply-dst A`; returns how many were deleted. */
  deleteByAddress(address: string): number;
  close(): void;
}

export interface ConntrackOptions {
  readonly netns?: NetworkNamespace;
  /** Milliseconds. Default 5000. */
  readonly deadline?: number;
}
