/**
 * The dataplane in memory: the same transactions, the same refusals, no Linux.
 *
 * @packageDocumentation
 */
import type { Dataplane, DataplaneHealth, Receipt } from "./dataplane.ts";
import { PolicyError } from "./error.ts";
import { compareElements, draftChange, type KeepUnknown, keepsRules } from "./ruleset/difference.ts";
import {
  type Chain,
  type Element,
  elementKey,
  emptyRuleset,
  type Ruleset,
  type RulesetChange,
  type Statement,
  type Table,
  type TableChange,
  type TableName,
} from "./ruleset/ruleset.ts";

/** A dataplane in memory that shows what is in force. */
export interface FakeDataplane extends Dataplane {
  /** What is in force. */
  readonly ruleset: Ruleset;
  /** Refuse the next transactions with these errors, first come first served. */
  refuse(...errors: PolicyError[]): void;
  /** What another program might do: change the tables behind our back. */
  tamper(change: (ruleset: Ruleset) => void): void;
  /** Every acknowledged change, oldest first. */
  readonly log: readonly RulesetChange[];
}

/** A ruleset in memory that obeys the kernel's rules of add, use and delete. */
export function createFakeDataplane(): FakeDataplane {
  return new MemoryDataplane();
}

const tableNames: readonly TableName[] = ["main", "arp"];

class MemoryDataplane implements FakeDataplane {
  readonly log: RulesetChange[] = [];
  #ruleset = emptyRuleset();
  #disturbed = true;
  #refusals: PolicyError[] = [];

  get ruleset(): Ruleset {
    return this.#ruleset;
  }

  reconcile(desired: Ruleset, { keepUnknown = false }: { keepUnknown?: KeepUnknown } = {}): Receipt {
    const receipt = this.#commit({
      main: compare(this.#ruleset.main, desired.main, keepUnknown),
      arp: compare(this.#ruleset.arp, desired.arp, keepUnknown),
    });
    this.#disturbed = false;
    return receipt;
  }

  apply(change: RulesetChange): Receipt {
    if (this.#disturbed) throw new PolicyError("Busy", "Somebody else changed our tables; reconcile.");
    return this.#commit(change);
  }

  disturbed(): boolean {
    return this.#disturbed;
  }

  health(): DataplaneHealth {
    return { exclusive: false };
  }

  close(): void {}

  refuse(...errors: PolicyError[]): void {
    this.#refusals.push(...errors);
  }

  tamper(change: (ruleset: Ruleset) => void): void {
    change(this.#ruleset);
    this.#disturbed = true;
  }

  #commit(change: RulesetChange): Receipt {
    const refusal = this.#refusals.shift();
    if (refusal !== undefined) throw refusal;
    const next = emptyRuleset();
    for (const name of tableNames) copy(this.#ruleset[name], next[name], change[name]);
    this.#ruleset = next;
    this.log.push(change);
    return { messages: 1, bytes: 0 };
  }
}

function compare(actual: Table, desired: Table, keepUnknown: KeepUnknown): TableChange {
  const change = draftChange();
  for (const chain of desired.chains.values()) {
    if (JSON.stringify(actual.chains.get(chain.name)) !== JSON.stringify(chain)) change.chains.push(chain);
  }
  for (const set of desired.sets.values()) if (!actual.sets.has(set.name)) change.sets.push(set);
  const none = new Map<string, Element>();
  for (const name of desired.sets.keys()) {
    compareElements(
      change,
      name,
      actual.elements.get(name) ?? none,
      desired.elements.get(name) ?? none,
      keepUnknown,
    );
  }
  if (keepsRules(keepUnknown)) return change;
  change.removedChains.push(...[...actual.chains.keys()].filter((name) => !desired.chains.has(name)));
  change.removedSets.push(...[...actual.sets.keys()].filter((name) => !desired.sets.has(name)));
  return change;
}

/** `from` with the change, checked as the kernel would check it. */
function copy(from: Table, to: Table, change: TableChange | undefined): void {
  for (const [name, chain] of from.chains) to.chains.set(name, chain);
  for (const [name, set] of from.sets) {
    to.sets.set(name, set);
    to.elements.set(name, new Map(from.elements.get(name)));
  }
  if (change === undefined) return;
  for (const set of change.sets) {
    if (to.sets.has(set.name)) continue;
    to.sets.set(set.name, set);
    to.elements.set(set.name, new Map());
  }
  for (const chain of change.chains) to.chains.set(chain.name, chain);
  for (const name of change.removedChains) if (!to.chains.delete(name)) throw refused(`no chain ${name}`);
  for (const [set, elements] of change.removedElements) {
    for (const element of elements) {
      if (!to.elements.get(set)?.delete(elementKey(element)))
        throw refused(`no element ${element.key} in ${set}`);
    }
  }
  for (const [set, elements] of change.addedElements) {
    const members = to.elements.get(set);
    if (members === undefined) throw refused(`no set ${set}`);
    for (const element of elements) {
      if (members.has(elementKey(element))) throw refused(`element ${element.key} is in ${set} already`);
      members.set(elementKey(element), element);
    }
  }
  for (const name of change.removedSets) {
    if (!to.sets.delete(name)) throw refused(`no set ${name}`);
    to.elements.delete(name);
  }
  checkReferences(to);
}

function checkReferences(table: Table): void {
  const chain = (name: string, from: string) => {
    if (!table.chains.has(name)) throw refused(`${from} leads to chain ${name}, which does not exist`);
  };
  const set = (name: string, from: string) => {
    if (!table.sets.has(name)) throw refused(`${from} looks into set ${name}, which does not exist`);
  };
  const statement = (it: Statement, { name }: Chain) => {
    if (it.is === "verdict" && "chain" in it) chain(it.chain, name);
    if (it.is === "lookup") set(it.set, name);
    if (it.is === "dispatch") set(it.map, name);
  };
  for (const each of table.chains.values())
    for (const rule of each.rules) for (const it of rule) statement(it, each);
  for (const [name, elements] of table.elements) {
    for (const { verdict } of elements.values())
      if (verdict && "chain" in verdict) chain(verdict.chain, name);
  }
}

function refused(why: string): PolicyError {
  return new PolicyError("KernelRefused", `The transaction was refused: ${why}. Nothing was changed.`);
}
