import { indexElements } from "../ruleset/difference.ts";
import type { Element } from "../ruleset/ruleset.ts";
import { listAttributes, readAttributes, readText, textAttribute } from "./attribute.ts";
import { attribute, elementFlags, message, setFlags } from "./constants.ts";
import type { NftablesSocket } from "./socket.ts";
import type { KernelTable } from "./transaction.ts";

/** What one table of the kernel holds, as far as is needed to tell whether it is what it should be. */
export interface KernelTableState {
  readonly exists: boolean;
  readonly flags: number;
  /** Identities of the rules of each chain, in order; `?` for a rule that is not ours. */
  readonly chains: Map<string, { readonly rules: string[]; readonly base: string; readonly comment: string }>;
  /** Layout of each set, see `setLayout`. */
  readonly sets: Map<string, string>;
  /** Per set, by `elementKey`. */
  readonly elements: Map<string, Map<string, Element>>;
}

export function readKernelTable(socket: NftablesSocket, table: KernelTable): KernelTableState {
  const named = (type: number) => (out: Buffer[]) => out.push(textAttribute(type, table.name));
  const tables = socket.dump(message.getTable, table.family, () => {});
  const own = tables.find((entry) => readText(entry.attributes.get(attribute.table.name)) === table.name);
  const state: KernelTableState = {
    exists: own !== undefined,
    flags: own?.attributes.get(attribute.table.flags)?.readUInt32BE() ?? 0,
    chains: new Map(),
    sets: new Map(),
    elements: new Map(),
  };
  if (own === undefined) return state;
  for (const { attributes } of socket.dump(message.getChain, table.family, named(attribute.chain.table))) {
    if (readText(attributes.get(attribute.chain.table)) !== table.name) continue;
    state.chains.set(readText(attributes.get(attribute.chain.name)), {
      rules: [],
      base: readBase(attributes),
      comment: readComment(attributes.get(attribute.chain.userdata), 0),
    });
  }
  for (const { attributes } of socket.dump(message.getRule, table.family, named(attribute.rule.table))) {
    if (readText(attributes.get(attribute.rule.table)) !== table.name) continue;
    const chain = state.chains.get(readText(attributes.get(attribute.rule.chain)));
    chain?.rules.push(readComment(attributes.get(attribute.rule.userdata), 0) || "?");
  }
  for (const { attributes } of socket.dump(message.getSet, table.family, named(attribute.set.table))) {
    if (readText(attributes.get(attribute.set.table)) !== table.name) continue;
    const name = readText(attributes.get(attribute.set.name));
    const flags = attributes.get(attribute.set.flags)?.readUInt32BE() ?? 0;
    const ranges = (flags & setFlags.interval) !== 0 && (flags & setFlags.concatenation) === 0;
    state.sets.set(name, readLayout(attributes));
    state.elements.set(name, readElements(socket, table, name, ranges));
  }
  return state;
}

/** Hook number, priority, policy and type, or nothing for an ordinary chain. */
export function baseLayout(hook: number, priority: number, policy: number, type: string): string {
  return `${type} ${hook} ${priority} ${policy}`;
}

/** What a set is made of, without what it holds. */
export function setLayout(flags: number, keyType: number, keyLength: number): string {
  return `${flags} ${keyType} ${keyLength}`;
}

function readBase(attributes: Map<number, Buffer>): string {
  const hook = attributes.get(attribute.chain.hook);
  if (hook === undefined) return "";
  const parts = readAttributes(hook);
  return baseLayout(
    parts.get(attribute.hook.number)?.readUInt32BE() ?? 0,
    parts.get(attribute.hook.priority)?.readInt32BE() ?? 0,
    attributes.get(attribute.chain.policy)?.readUInt32BE() ?? 0,
    readText(attributes.get(attribute.chain.type)),
  );
}

function readLayout(attributes: Map<number, Buffer>): string {
  return setLayout(
    attributes.get(attribute.set.flags)?.readUInt32BE() ?? 0,
    attributes.get(attribute.set.keyType)?.readUInt32BE() ?? 0,
    attributes.get(attribute.set.keyLength)?.readUInt32BE() ?? 0,
  );
}

function readElements(socket: NftablesSocket, table: KernelTable, set: string, ranges: boolean) {
  const found = new Map<string, Element>();
  const ends: string[] = [];
  const parts = socket.dump(message.getElement, table.family, (out) =>
    out.push(textAttribute(attribute.elements.table, table.name), textAttribute(attribute.elements.set, set)),
  );
  for (const part of parts) {
    for (const [, item] of listAttributes(part.attributes.get(attribute.elements.list) ?? Buffer.alloc(0))) {
      const fields = readAttributes(item);
      const key = readData(fields.get(attribute.element.key));
      const flags = fields.get(attribute.element.flags)?.readUInt32BE() ?? 0;
      if (flags & elementFlags.intervalEnd) ends.push(key);
      else {
        found.set(key, {
          key,
          ...optional("last", readData(fields.get(attribute.element.keyEnd))),
          ...readVerdict(fields.get(attribute.element.data)),
        });
      }
    }
  }
  return indexElements((ranges ? pairRanges(found, ends) : found).values());
}

const optional = (name: "last", value: string) => (value === "" ? {} : { [name]: value });

/** The kernel keeps a range as a start and an exclusive end. */
function pairRanges(starts: Map<string, Element>, ends: readonly string[]): Map<string, Element> {
  const sortedEnds = [...ends].sort();
  const paired = new Map<string, Element>();
  let next = 0;
  for (const key of [...starts.keys()].sort()) {
    while (next < sortedEnds.length && (sortedEnds[next] as string) <= key) next++;
    const end = sortedEnds[next];
    paired.set(key, {
      key,
      last: end === undefined ? "f".repeat(key.length) : predecessor(end),
      single: true,
    });
  }
  return paired;
}

function predecessor(hex: string): string {
  return (BigInt(`0x${hex}`) - 1n).toString(16).padStart(hex.length, "0");
}

function readData(value: Buffer | undefined): string {
  if (value === undefined) return "";
  return readAttributes(value).get(attribute.data.value)?.toString("hex") ?? "";
}

function readVerdict(value: Buffer | undefined): Pick<Element, "verdict"> {
  const verdict = value === undefined ? undefined : readAttributes(value).get(attribute.data.verdict);
  if (verdict === undefined) return {};
  const parts = readAttributes(verdict);
  const code = parts.get(attribute.verdict.code)?.readInt32BE() ?? 0;
  const chain = readText(parts.get(attribute.verdict.chain));
  switch (code) {
    case -3:
      return { verdict: { verdict: "jump", chain } };
    case -4:
      return { verdict: { verdict: "goto", chain } };
    case -5:
      return { verdict: { verdict: "return" } };
    case 1:
      return { verdict: { verdict: "accept" } };
    default:
      return { verdict: { verdict: "drop" } };
  }
}

/** A text in nftables' userdata format: entries of type, length, bytes. */
function readComment(userdata: Buffer | undefined, type: number): string {
  for (let at = 0; userdata !== undefined && at + 2 <= userdata.length; ) {
    const size = userdata[at + 1] ?? 0;
    if (userdata[at] === type) return readText(userdata.subarray(at + 2, at + 2 + size));
    at += 2 + size;
  }
  return "";
}
