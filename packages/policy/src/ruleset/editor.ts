import { type DraftChange, draftChange, isEmpty, sameVerdict } from "./difference.ts";
import { ruleIdentity } from "./identity.ts";
import {
  type Chain,
  type Element,
  elementKey,
  emptyRuleset,
  type NftSet,
  type Ruleset,
  type RulesetChange,
  type TableName,
} from "./ruleset.ts";

interface Touched {
  readonly chains: Map<string, Chain | undefined>;
  readonly sets: Map<string, NftSet | undefined>;
  readonly elements: Map<string, Map<string, Element | undefined>>;
}

const untouched = (): Touched => ({ chains: new Map(), sets: new Map(), elements: new Map() });

/**
 * The ruleset as it should be, edited piece by piece. Remembers how each touched piece was at the last `take`, so that
 * the difference costs what was touched, not what there is.
 */
export class RulesetEditor {
  readonly ruleset: Ruleset = emptyRuleset();
  #touched: Record<TableName, Touched> = { main: untouched(), arp: untouched() };

  putChain(table: TableName, chain: Chain): void {
    const { chains } = this.ruleset[table];
    remember(this.#touched[table].chains, chain.name, chains.get(chain.name));
    chains.set(chain.name, chain);
  }

  dropChain(table: TableName, name: string): void {
    const { chains } = this.ruleset[table];
    remember(this.#touched[table].chains, name, chains.get(name));
    chains.delete(name);
  }

  putSet(table: TableName, set: NftSet): void {
    const { sets, elements } = this.ruleset[table];
    if (sets.has(set.name)) return;
    remember(this.#touched[table].sets, set.name, undefined);
    sets.set(set.name, set);
    elements.set(set.name, new Map());
  }

  dropSet(table: TableName, name: string): void {
    const { sets, elements } = this.ruleset[table];
    for (const element of elements.get(name)?.values() ?? []) this.dropElement(table, name, element);
    remember(this.#touched[table].sets, name, sets.get(name));
    sets.delete(name);
    elements.delete(name);
  }

  putElement(table: TableName, set: string, element: Element): void {
    const elements = this.#elements(table, set);
    const key = elementKey(element);
    if (!this.#isNew(table, set)) remember(this.#touchedElements(table, set), key, elements.get(key));
    elements.set(key, element);
  }

  dropElement(table: TableName, set: string, element: Element): void {
    const elements = this.#elements(table, set);
    const key = elementKey(element);
    if (!this.#isNew(table, set)) remember(this.#touchedElements(table, set), key, elements.get(key));
    elements.delete(key);
  }

  /** Replaces all elements of a set. */
  putElements(table: TableName, set: string, elements: Iterable<Element>): void {
    if (this.#isNew(table, set)) {
      const whole = this.#elements(table, set);
      whole.clear();
      for (const element of elements) whole.set(elementKey(element), element);
      return;
    }
    const keep = new Set<string>();
    for (const element of elements) {
      keep.add(elementKey(element));
      this.putElement(table, set, element);
    }
    for (const [key, element] of this.#elements(table, set))
      if (!keep.has(key)) this.dropElement(table, set, element);
  }

  /** What changed since the last call; `undefined` when nothing did. */
  take(): RulesetChange | undefined {
    const main = this.#difference("main");
    const arp = this.#difference("arp");
    this.forget();
    if (isEmpty(main) && isEmpty(arp)) return undefined;
    return { main, arp };
  }

  /** What was touched so far no longer matters: the ruleset as a whole goes to the kernel. */
  forget(): void {
    this.#touched = { main: untouched(), arp: untouched() };
  }

  #difference(name: TableName): DraftChange {
    const touched = this.#touched[name];
    const table = this.ruleset[name];
    const change = draftChange();
    for (const [chain, before] of touched.chains) {
      const after = table.chains.get(chain);
      if (after === undefined && before !== undefined) change.removedChains.push(chain);
      if (after !== undefined && !sameChain(before, after)) change.chains.push(after);
    }
    const recreated = new Set<string>();
    for (const [set, before] of touched.sets) {
      const after = table.sets.get(set);
      if (after !== undefined && before === undefined) {
        change.sets.push(after);
        const elements = [...(table.elements.get(set)?.values() ?? [])];
        if (elements.length > 0) change.addedElements.set(set, elements);
      }
      if (after === undefined && before !== undefined) change.removedSets.push(set);
      if (after === undefined) recreated.add(set);
    }
    for (const [set, elements] of touched.elements) {
      if (recreated.has(set)) continue;
      this.#elementDifference(name, set, elements, change);
    }
    return change;
  }

  #elementDifference(
    table: TableName,
    set: string,
    before: Map<string, Element | undefined>,
    change: DraftChange,
  ): void {
    const now = this.ruleset[table].elements.get(set);
    const added: Element[] = [];
    const removed: Element[] = [];
    for (const [key, old] of before) {
      const element = now?.get(key);
      if (old !== undefined && element !== undefined && sameVerdict(old.verdict, element.verdict)) continue;
      if (old !== undefined) removed.push(old);
      if (element !== undefined) added.push(element);
    }
    if (added.length > 0) change.addedElements.set(set, added);
    if (removed.length > 0) change.removedElements.set(set, removed);
  }

  /** Since the last `take`: all it holds is new then. A set that went and came again is not. */
  #isNew(table: TableName, set: string): boolean {
    const { sets } = this.#touched[table];
    return sets.has(set) && sets.get(set) === undefined;
  }

  #elements(table: TableName, set: string): Map<string, Element> {
    const elements = this.ruleset[table].elements.get(set);
    if (elements === undefined) throw new RangeError(`no set ${set} in table ${table}`);
    return elements;
  }

  #touchedElements(table: TableName, set: string): Map<string, Element | undefined> {
    const { elements } = this.#touched[table];
    let touched = elements.get(set);
    if (touched === undefined) {
      touched = new Map();
      elements.set(set, touched);
    }
    return touched;
  }
}

function remember<T>(touched: Map<string, T | undefined>, name: string, value: T | undefined): void {
  if (!touched.has(name)) touched.set(name, value);
}

function sameChain(a: Chain | undefined, b: Chain): boolean {
  if (a === b) return true;
  return (
    a !== undefined &&
    a.comment === b.comment &&
    a.rules.length === b.rules.length &&
    a.rules.every(
      (rule, index) => ruleIdentity(rule) === ruleIdentity(b.rules[index] as Chain["rules"][number]),
    )
  );
}
