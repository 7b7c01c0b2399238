import {
  type Chain,
  type Element,
  elementKey,
  type NftSet,
  type TableChange,
  type Verdict,
} from "./ruleset.ts";
import { interfaceName } from "./value.ts";

/**
 * What stays although nobody knows it: nothing (false), everything (true), or what is in force for these interfaces. Chains and sets do not say
 * whom they serve, so for an interface all of them stay; those that nothing leads to do no harm.
 */
export type KeepUnknown = boolean | readonly string[];

/** Whether unknown chains and sets stay. */
export const keepsRules = (keep: KeepUnknown): boolean =>
  typeof keep === "boolean" ? keep : keep.length > 0;

/** Elements that speak of an interface begin with its name. */
function elementsKept(keep: KeepUnknown): (element: Element) => boolean {
  if (typeof keep === "boolean") return () => keep;
  const names = keep.map(interfaceName);
  return ({ key }) => names.some((name) => key.startsWith(name));
}

/** The pieces a change is made of, while it is being put together. */
export interface DraftChange {
  readonly chains: Chain[];
  readonly removedChains: string[];
  readonly sets: NftSet[];
  readonly removedSets: string[];
  readonly addedElements: Map<string, Element[]>;
  readonly removedElements: Map<string, Element[]>;
}

export function draftChange(): DraftChange {
  return {
    chains: [],
    removedChains: [],
    sets: [],
    removedSets: [],
    addedElements: new Map(),
    removedElements: new Map(),
  };
}

export function isEmpty(change: TableChange): boolean {
  return (
    change.chains.length === 0 &&
    change.removedChains.length === 0 &&
    change.sets.length === 0 &&
    change.removedSets.length === 0 &&
    change.addedElements.size === 0 &&
    change.removedElements.size === 0
  );
}

export function sameVerdict(a: Verdict | undefined, b: Verdict | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.verdict === b.verdict && ("chain" in a ? a.chain : "") === ("chain" in b ? b.chain : "");
}

/** Records in `change` how to get from the elements that are to those that should be. */
export function compareElements(
  change: DraftChange,
  set: string,
  actual: ReadonlyMap<string, Element>,
  desired: ReadonlyMap<string, Element>,
  keepUnknown: KeepUnknown,
): void {
  const isKept = elementsKept(keepUnknown);
  const added: Element[] = [];
  const removed: Element[] = [];
  for (const [key, element] of desired) {
    const present = actual.get(key);
    if (present !== undefined && sameVerdict(present.verdict, element.verdict)) continue;
    if (present !== undefined) removed.push(present);
    added.push(element);
  }
  for (const [key, element] of actual) if (!desired.has(key) && !isKept(element)) removed.push(element);
  if (added.length > 0) change.addedElements.set(set, added);
  if (removed.length > 0) change.removedElements.set(set, removed);
}

/** Elements by their key, as tables keep them. */
export function indexElements(elements: Iterable<Element>): Map<string, Element> {
  const index = new Map<string, Element>();
  for (const element of elements) index.set(elementKey(element), element);
  return index;
}
