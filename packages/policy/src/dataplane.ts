import type { KeepUnknown } from "./ruleset/difference.ts";
import type { Ruleset, RulesetChange } from "./ruleset/ruleset.ts";

/** What a transaction was, for health and benchmarks. */
export interface Receipt {
  readonly messages: number;
  readonly bytes: number;
}

/** How the kernel's side is. */
export interface DataplaneHealth {
  /** Whether other programs are kept from changing our tables (Linux 6.9 and newer). */
  readonly exclusive: boolean;
}

/**
 * Holds a ruleset. The kernel's is the real one; `@fairlead/policy/fake` has one in memory.
 *
 * Both methods are one transaction: when they return, all of it is in force; when they throw, nothing of it is.
 */
export interface Dataplane {
  /**
   * Makes the tables hold exactly this, whatever they hold now, changing only what differs. With `keepUnknown`, chains, sets
   * and dispatch entries that are not mentioned stay as they are: all of them, or those that some interfaces need.
   * @throws PolicyError `KernelRefused`, `KernelLacks`, `NotPermitted`, `Busy`
   */
  reconcile(desired: Ruleset, options?: { readonly keepUnknown?: KeepUnknown }): Receipt;
  /**
   * Applies a difference to what the last `reconcile` and `apply` left.
   * @throws PolicyError as `reconcile`; `Busy` also when somebody else changed our tables, which calls for `reconcile`
   */
  apply(change: RulesetChange): Receipt;
  /** Whether somebody else changed our tables since we last did or looked. Costs one system call when nothing happened. */
  disturbed(): boolean;
  health(): DataplaneHealth;
  close(): void;
}
