/** What was seen of one migration, from independent places; times in milliseconds of CLOCK_MONOTONIC. */
import type { Recording } from "../probe/recording.ts";
import type { RouteChange } from "../probe/route-watch.ts";
import type { Window } from "../probe/statistics.ts";

/** QEMU's own account. */
export interface GuestPause {
  /** The source's virtual processors stopped. */
  readonly stoppedAt: number;
  /** The target's virtual processors run. */
  readonly resumedAt: number;
  /** `total-time` of query-migrate. */
  readonly totalMs: number;
}

/** Everything known about one migration before it is judged. */
export interface MigrationObservation {
  readonly from: string;
  readonly to: string;
  readonly requestedAt: number;
  readonly guest: GuestPause;
  readonly announcement?: { readonly kind: "rarp" | "garp" | "na"; readonly at: number };
  /** Packets the source's agent sent after the guest. */
  readonly stragglers: number;
  /** The target's kernel acknowledged the VM's policy. */
  readonly policyReadyAt?: number;
  readonly routes: readonly RouteChange[];
  /** Addresses of the target node, to recognise it as a next hop. */
  readonly targetAddresses: readonly string[];
  readonly recordings: readonly Recording[];
  /** The part of the recordings that belongs to this migration. */
  readonly window: Window;
}
