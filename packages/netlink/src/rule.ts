import type { Family } from "./ip.ts";

/** What a matching rule does. */
export type RuleAction = "table" | "goto" | "nop" | "blackhole" | "unreachable" | "prohibit";

/** A policy routing rule. */
export interface Rule {
  readonly family: Family;
  /** Lower is looked at first. */
  readonly priority: number;
  readonly action: RuleAction;
  /** Table to look in, for action `table`. */
  readonly table: number;
  readonly invert: boolean;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly mark: number | undefined;
  readonly mask: number | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  readonly protocol: number;
}

/** A rule to add. */
export interface RuleSpec {
  readonly family: Family;
  readonly priority: number;
  /** Default `table`. */
  readonly action?: Exclude<RuleAction, "goto">;
  readonly table?: number;
  readonly invert?: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly mark?: number;
  readonly mask?: number;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  /** Default 0. */
  readonly protocol?: number;
}

/** The policy routing rules of the namespace. */
export interface Rules {
  /** `ip rule show` */
  list(filter?: { readonly family?: Family }): Rule[];
  /** `ip rule add`. `AlreadyExists` for an identical one. */
  add(rule: RuleSpec): void;
  /** `ip rule delete`. `NotFound` when nothing matches. */
  delete(rule: RuleSpec): void;
}
