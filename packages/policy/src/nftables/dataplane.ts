import { constants } from "node:os";
import type { NetworkNamespace } from "@fairlead/netlink";
import type { Dataplane, DataplaneHealth, Receipt } from "../dataplane.ts";
import { PolicyError } from "../error.ts";
import {
  compareElements,
  draftChange,
  isEmpty,
  type KeepUnknown,
  keepsRules,
} from "../ruleset/difference.ts";
import { ruleIdentity } from "../ruleset/identity.ts";
import type {
  Chain,
  NftSet,
  Ruleset,
  RulesetChange,
  Table,
  TableChange,
  TableName,
} from "../ruleset/ruleset.ts";
import { keyBytes } from "../ruleset/value.ts";
import { readText } from "./attribute.ts";
import { arpHooks, hooks, message, tableFlags } from "./constants.ts";
import { baseLayout, type KernelTableState, readKernelTable, setLayout } from "./kernel-state.ts";
import { NftablesSocket, type Refusal, systemError } from "./socket.ts";
import { flagsOf, type KernelTable, keyType, Transaction } from "./transaction.ts";

/** Where to filter. */
export interface NftablesDataplaneOptions {
  /** The network namespace to filter in; the process's own when absent. */
  readonly netns?: NetworkNamespace;
  /** Name of our tables (default `fairlead`). */
  readonly tableName?: string;
  /**
   * Keep other programs from changing our tables while this process lives (default true; needs Linux 6.9, is skipped on
   * older kernels). The tables stay when the process ends.
   */
  readonly exclusive?: boolean;
}

const tableNames: readonly TableName[] = ["main", "arp"];
/** From this many bytes on a transaction is not announced to ourselves. */
const quietFrom = 8_192;
/** ERESTART: the ruleset changed since the generation we named. */
const restart = 85;

/** The kernel's nf_tables, spoken to directly over netlink: one transaction is one `send`. */
export function createNftablesDataplane(options: NftablesDataplaneOptions = {}): Dataplane {
  return new NftablesDataplane(options);
}

class NftablesDataplane implements Dataplane {
  readonly #socket: NftablesSocket;
  readonly #events: NftablesSocket;
  readonly #tables: Record<TableName, KernelTable>;
  #exclusive: boolean;
  #generation = -1;
  #disturbed = true;

  constructor({ netns, tableName = "fairlead", exclusive = true }: NftablesDataplaneOptions) {
    this.#events = NftablesSocket.open({ netns, events: true });
    this.#socket = NftablesSocket.open({ netns });
    this.#tables = { main: { family: "inet", name: tableName }, arp: { family: "arp", name: tableName } };
    this.#exclusive = exclusive;
  }

  reconcile(desired: Ruleset, { keepUnknown = false }: { keepUnknown?: KeepUnknown } = {}): Receipt {
    for (let attempt = 0; attempt < 10; attempt++) {
      const generation = this.#socket.generation();
      this.#events.events();
      const transaction = new Transaction(generation);
      for (const name of tableNames) this.#reconcileTable(transaction, name, desired[name], keepUnknown);
      const receipt = this.#commit(transaction);
      if (receipt !== undefined) return receipt;
    }
    throw new PolicyError(
      "Busy",
      "The firewall's rules changed under every attempt to compare them. Look for a program that rewrites nftables all the time.",
    );
  }

  apply(change: RulesetChange): Receipt {
    const foreign = this.disturbed();
    if (foreign) throw new PolicyError("Busy", "Somebody else changed our tables; reconcile.");
    const transaction = new Transaction(this.#generation);
    for (const name of tableNames) {
      const part = change[name];
      if (part !== undefined && !isEmpty(part)) transaction.change(this.#tables[name], part);
    }
    if (transaction.messages === 0) return { messages: 0, bytes: 0 };
    const receipt = this.#commit(transaction);
    if (receipt !== undefined) return receipt;
    return this.apply(change);
  }

  disturbed(): boolean {
    if (this.#disturbed) return true;
    const generation = this.#socket.generation();
    if (generation === this.#generation) return false;
    const events = this.#events.events();
    this.#generation = generation;
    this.#disturbed =
      events === undefined ||
      events.some(
        (event) =>
          event.port !== this.#socket.port &&
          event.kind !== message.newGeneration &&
          readText(event.attributes.get(1)) === this.#tables.main.name,
      );
    return this.#disturbed;
  }

  health(): DataplaneHealth {
    return { exclusive: this.#exclusive };
  }

  close(): void {
    this.#socket.close();
    this.#events.close();
  }

  #reconcileTable(transaction: Transaction, name: TableName, desired: Table, keepUnknown: KeepUnknown): void {
    const table = this.#tables[name];
    const actual = readKernelTable(this.#socket, table);
    const replace = [...desired.sets.values()].some((set) => {
      const layout = actual.sets.get(set.name);
      return layout !== undefined && layout !== layoutOf(set);
    });
    if (replace) transaction.deleteTable(table);
    const flags = this.#exclusive ? tableFlags.owner | tableFlags.persist : 0;
    if (replace || !actual.exists || this.#exclusive) transaction.addTable(table, flags);
    const change = compareTable(table, replace ? nothing : actual, desired, keepUnknown);
    for (const chain of change.chains) {
      const present = replace ? undefined : actual.chains.get(chain.name);
      if (present !== undefined && present.base !== baseOf(table, chain))
        transaction.deleteChain(table, chain.name);
    }
    transaction.change(table, change);
  }

  /**
   * A large transaction is sent while we do not listen. Nothing is missed: it takes effect only if nothing happened since the generation
   * it names, and what happens between then and listening again shows as a generation that is not the next one.
   */
  #send(bytes: Buffer, quiet: boolean): Refusal | undefined {
    if (quiet) this.#events.listen(false);
    try {
      return this.#socket.commit(bytes)[0];
    } finally {
      if (quiet) this.#events.listen(true);
    }
  }

  /** The receipt, or `undefined` when another writer came first. */
  #commit(transaction: Transaction): Receipt | undefined {
    const bytes = transaction.finish();
    const quiet = bytes.length >= quietFrom;
    const refusal = this.#send(bytes, quiet);
    if (refusal === undefined) {
      this.#generation = this.#socket.generation();
      this.#disturbed = quiet && this.#generation !== following(transaction.generation);
      return { messages: transaction.messages, bytes: bytes.length };
    }
    if (refusal.errno === restart) {
      this.#generation = -1;
      // Whose change came first may have been announced while we did not listen.
      if (quiet) this.#disturbed = true;
      return undefined;
    }
    if (this.#exclusive && refusal.errno === constants.errno.EOPNOTSUPP && refusal.sequence === 2) {
      this.#exclusive = false;
      return undefined;
    }
    throw refused(refusal, this.#tables.main.name);
  }
}

/** The generation after one more transaction; the kernel skips 0 when its counter wraps. */
const following = (generation: number) => (generation + 1) >>> 0 || 1;

function refused(refusal: Refusal, table: string): PolicyError {
  if (refusal.errno === constants.errno.EPERM) {
    return new PolicyError(
      "Busy",
      `Another process owns the nftables table ${table}. Stop the other agent; its rules stay in force meanwhile.`,
    );
  }
  const words = refusal.text === "" ? "" : ` The kernel says: ${refusal.text}.`;
  const cause = systemError(refusal.errno, `apply message ${refusal.sequence} of a firewall transaction`);
  return new PolicyError(cause.code, `${cause.message}${words}`, { cause });
}

const nothing: KernelTableState = {
  exists: false,
  flags: 0,
  chains: new Map(),
  sets: new Map(),
  elements: new Map(),
};

function compareTable(
  table: KernelTable,
  actual: KernelTableState,
  desired: Table,
  keepUnknown: KeepUnknown,
): TableChange {
  const change = draftChange();
  for (const chain of desired.chains.values()) {
    const present = actual.chains.get(chain.name);
    const rules = chain.rules.map(ruleIdentity);
    const same = sameList(present?.rules ?? [], rules) && present?.comment === (chain.comment ?? "");
    if (same && present?.base === baseOf(table, chain)) continue;
    change.chains.push(chain);
  }
  for (const set of desired.sets.values()) if (!actual.sets.has(set.name)) change.sets.push(set);
  const none = new Map();
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
  for (const name of actual.chains.keys()) if (!desired.chains.has(name)) change.removedChains.push(name);
  for (const name of actual.sets.keys()) {
    if (desired.sets.has(name)) continue;
    change.removedSets.push(name);
  }
  return change;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function layoutOf(set: NftSet): string {
  return setLayout(flagsOf(set), keyType(set.key), keyBytes(set.key));
}

function baseOf(table: KernelTable, chain: Chain): string {
  const { base } = chain;
  if (base === undefined) return "";
  const number = (table.family === "arp" ? arpHooks : hooks)[base.hook];
  return baseLayout(number, base.priority, base.policy === "accept" ? 1 : 0, base.type);
}
