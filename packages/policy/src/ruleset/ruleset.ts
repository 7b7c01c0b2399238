import type { Field } from "./field.ts";

/** Values are hex texts of the bytes as the kernel holds them, so that equality of content is equality of text. */
export type Hex = string;

export type Comparison = "==" | "!=" | "<" | "<=" | ">" | ">=";

export type Verdict =
  | { readonly verdict: "accept" | "drop" | "return" }
  | { readonly verdict: "jump" | "goto"; readonly chain: string };

/** One part of a rule. A rule's statements run in order; the first that does not match ends the rule. */
export type Statement =
  | { readonly is: "match"; readonly field: Field; readonly op: Comparison; readonly value: Hex }
  /** Matches when `field & mask` compares to `value`. */
  | {
      readonly is: "mask";
      readonly field: Field;
      readonly mask: Hex;
      readonly op: "==" | "!=";
      readonly value: Hex;
    }
  | {
      readonly is: "range";
      readonly field: Field;
      readonly from: Hex;
      readonly to: Hex;
      readonly not: boolean;
    }
  | { readonly is: "lookup"; readonly fields: readonly Field[]; readonly set: string; readonly not: boolean }
  | { readonly is: "dispatch"; readonly fields: readonly Field[]; readonly map: string }
  /** `mark = mark & ~mask ^ value`; both in host byte order. */
  | { readonly is: "mark"; readonly mask: number; readonly value: number }
  | { readonly is: "log"; readonly prefix: string }
  | { readonly is: "limit"; readonly perSecond: number; readonly burst: number }
  | { readonly is: "reject" }
  | { readonly is: "notrack" }
  | { readonly is: "masquerade"; readonly ports?: readonly [first: number, last: number] }
  | {
      readonly is: "snat";
      readonly family: 4 | 6;
      readonly address: Hex;
      readonly ports?: readonly [first: number, last: number];
    }
  | ({ readonly is: "verdict" } & Verdict);

export type Rule = readonly Statement[];

export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

export interface BaseHook {
  readonly type: "filter" | "nat" | "route";
  readonly hook: Hook;
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface Chain {
  readonly name: string;
  readonly base?: BaseHook;
  /** For the reader of `nft list`; sanitised, never meaning anything. */
  readonly comment?: string;
  readonly rules: readonly Rule[];
}

/**
 * A set, or with `verdicts` a verdict map. Its elements are keys (`Element.key`), and with `interval` ranges. A single-field
 * interval set must not overlap itself.
 */
export interface NftSet {
  readonly name: string;
  readonly key: readonly Field[];
  readonly interval?: boolean;
  readonly verdicts?: boolean;
  readonly comment?: string;
}

export interface Element {
  readonly key: Hex;
  /** Inclusive last key; only in interval sets. */
  readonly last?: Hex;
  /** The interval set has one field; the kernel keeps its ranges in another form then. */
  readonly single?: true;
  /** Only in verdict maps. */
  readonly verdict?: Verdict;
}

export type TableName = "main" | "arp";

/** Everything one table should hold. */
export interface Table {
  readonly chains: Map<string, Chain>;
  readonly sets: Map<string, NftSet>;
  /** Elements per set name, by `elementKey`. */
  readonly elements: Map<string, Map<string, Element>>;
}

export type Ruleset = Readonly<Record<TableName, Table>>;

export function emptyTable(): Table {
  return { chains: new Map(), sets: new Map(), elements: new Map() };
}

export function emptyRuleset(): Ruleset {
  return { main: emptyTable(), arp: emptyTable() };
}

/** What distinguishes an element within its set, its verdict included. */
export function elementKey(element: Element): string {
  return element.last === undefined ? element.key : `${element.key}-${element.last}`;
}

/** A change to one table; the parts are applied in an order in which nothing refers to what is not there. */
export interface TableChange {
  /** New chains, or chains whose rules change. */
  readonly chains: readonly Chain[];
  readonly removedChains: readonly string[];
  readonly sets: readonly NftSet[];
  readonly removedSets: readonly string[];
  readonly addedElements: ReadonlyMap<string, readonly Element[]>;
  readonly removedElements: ReadonlyMap<string, readonly Element[]>;
}

export type RulesetChange = Readonly<Partial<Record<TableName, TableChange>>>;
