import { type Field, fields } from "../ruleset/field.ts";
import { ruleIdentity } from "../ruleset/identity.ts";
import type { Chain, Element, NftSet, Rule, TableChange } from "../ruleset/ruleset.ts";
import { keyBytes } from "../ruleset/value.ts";
import { AttributeWriter } from "./attribute.ts";
import {
  arpHooks,
  attribute,
  batch,
  elementFlags,
  family,
  hooks,
  message,
  netlink,
  setFlags,
  subsystem,
  verdictType,
} from "./constants.ts";
import { writeRule, writeVerdict } from "./expression.ts";

/** nlmsghdr (16 bytes) and nfgenmsg (4 bytes). */
const messageHeader = 20;
/** An attribute's length has 16 bits; elements are cut into lists that stay well below. */
const elementsPerMessage = 300;

/** Which table of the kernel: `inet fairlead`. */
export interface KernelTable {
  readonly family: "inet" | "arp";
  readonly name: string;
}

/** Builds one nf_tables batch: all of it takes effect at once, or nothing. */
export class Transaction {
  readonly #out = new AttributeWriter();
  #sequence = 1;
  #lastMessage = 0;
  #messages = 0;

  /** The kernel refuses the batch when its ruleset is no longer of this generation. */
  readonly generation: number;

  constructor(generation: number) {
    this.generation = generation;
    const start = this.#begin(batch.begin, netlink.request, 0, batch.resource);
    this.#out.u32(batch.generation, generation);
    this.#end(start);
  }

  /** Messages besides the frame. */
  get messages(): number {
    return this.#messages;
  }

  addTable(table: KernelTable, flags: number): void {
    this.#message(message.newTable, table, netlink.create, (out) => {
      out.text(attribute.table.name, table.name);
      out.u32(attribute.table.flags, flags);
    });
  }

  deleteTable(table: KernelTable): void {
    this.#message(message.delTable, table, 0, (out) => out.text(attribute.table.name, table.name));
  }

  /** For a base chain that has to move to another hook or priority: added again by `change` in the same transaction. */
  deleteChain(table: KernelTable, name: string): void {
    this.#flushChain(table, name);
    this.#named(message.delChain, table, attribute.chain.name, name);
  }

  /**
   * Adds what is new, switches over, then removes. Within the transaction the order only has to satisfy references: sets
   * and empty chains first, rules and elements next, removals last.
   */
  change(table: KernelTable, change: TableChange): void {
    for (const set of change.sets) this.#addSet(table, set);
    for (const chain of change.chains) this.#addChain(table, chain);
    for (const chain of change.chains) this.#flushChain(table, chain.name);
    for (const name of change.removedChains) this.#flushChain(table, name);
    for (const [set, elements] of change.removedElements)
      this.#elements(message.delElement, table, set, elements);
    for (const [set, elements] of change.addedElements)
      this.#elements(message.newElement, table, set, elements);
    for (const chain of change.chains) for (const rule of chain.rules) this.#addRule(table, chain.name, rule);
    for (const name of change.removedChains) this.#named(message.delChain, table, attribute.chain.name, name);
    for (const name of change.removedSets) this.#named(message.delSet, table, attribute.set.name, name);
  }

  /** The batch, with an acknowledgement asked for the last message. */
  finish(): Buffer {
    const start = this.#begin(batch.end, netlink.request, 0, batch.resource);
    this.#end(start);
    const bytes = this.#out.finish();
    if (this.#lastMessage > 0)
      bytes.writeUInt16LE(bytes.readUInt16LE(this.#lastMessage + 6) | netlink.ack, this.#lastMessage + 6);
    return bytes;
  }

  #addChain(table: KernelTable, chain: Chain): void {
    this.#message(message.newChain, table, netlink.create, (out) => {
      out.text(attribute.chain.table, table.name);
      out.text(attribute.chain.name, chain.name);
      if (chain.comment !== undefined) out.bytes(attribute.chain.userdata, comment(0, chain.comment));
      const { base } = chain;
      if (base === undefined) return;
      out.nest(attribute.chain.hook, () => {
        out.u32(attribute.hook.number, (table.family === "arp" ? arpHooks : hooks)[base.hook]);
        out.u32(attribute.hook.priority, base.priority);
      });
      out.u32(attribute.chain.policy, base.policy === "accept" ? 1 : 0);
      out.text(attribute.chain.type, base.type);
    });
  }

  #flushChain(table: KernelTable, chain: string): void {
    this.#message(message.delRule, table, 0, (out) => {
      out.text(attribute.rule.table, table.name);
      out.text(attribute.rule.chain, chain);
    });
  }

  #addRule(table: KernelTable, chain: string, rule: Rule): void {
    this.#message(message.newRule, table, netlink.create | netlink.append, (out) => {
      out.text(attribute.rule.table, table.name);
      out.text(attribute.rule.chain, chain);
      out.nest(attribute.rule.expressions, () => writeRule(out, rule));
      out.bytes(attribute.rule.userdata, comment(0, ruleIdentity(rule)));
    });
  }

  #addSet(table: KernelTable, set: NftSet): void {
    const concatenated = set.key.length > 1;
    this.#message(message.newSet, table, netlink.create, (out) => {
      out.text(attribute.set.table, table.name);
      out.text(attribute.set.name, set.name);
      out.u32(attribute.set.flags, flagsOf(set));
      out.u32(attribute.set.keyType, keyType(set.key));
      out.u32(attribute.set.keyLength, keyBytes(set.key));
      if (set.verdicts) {
        out.u32(attribute.set.dataType, verdictType);
        out.u32(attribute.set.dataLength, 16);
      }
      out.u32(attribute.set.id, this.#sequence);
      out.bytes(attribute.set.userdata, setUserdata(set));
      if (set.interval && concatenated)
        out.nest(attribute.set.description, () => this.#fieldLengths(set.key));
    });
  }

  #fieldLengths(key: readonly Field[]): void {
    this.#out.nest(attribute.description.concatenation, () => {
      for (const field of key) {
        this.#out.nest(attribute.list.item, () =>
          this.#out.u32(attribute.field.length, (fields[field].bytes + 3) & ~3),
        );
      }
    });
  }

  #elements(kind: number, table: KernelTable, set: string, elements: readonly Element[]): void {
    for (let from = 0; from < elements.length; from += elementsPerMessage) {
      this.#message(kind, table, kind === message.newElement ? netlink.create : 0, (out) => {
        out.text(attribute.elements.table, table.name);
        out.text(attribute.elements.set, set);
        out.nest(attribute.elements.list, () => {
          for (const element of elements.slice(from, from + elementsPerMessage)) writeElement(out, element);
        });
      });
    }
  }

  #named(kind: number, table: KernelTable, attributeOfName: number, name: string): void {
    this.#message(kind, table, 0, (out) => {
      out.text(1, table.name);
      out.text(attributeOfName, name);
    });
  }

  #message(kind: number, table: KernelTable, flags: number, content: (out: AttributeWriter) => void): void {
    const start = this.#begin(subsystem | kind, netlink.request | flags, family[table.family], 0);
    this.#lastMessage = start;
    this.#messages++;
    content(this.#out);
    this.#end(start);
  }

  #begin(type: number, flags: number, familyNumber: number, resource: number): number {
    const out = this.#out;
    const start = out.reserve(messageHeader);
    out.setUint16(start + 4, type);
    out.setUint16(start + 6, flags);
    out.setUint32(start + 8, this.#sequence++);
    out.setUint8(start + 16, familyNumber);
    out.setUint16(start + 18, ((resource & 0xff) << 8) | (resource >> 8));
    return start;
  }

  #end(start: number): void {
    this.#out.setUint32(start, this.#out.length - start);
  }
}

/** A range over one field is two elements, the second exclusive; over several fields the kernel takes both ends. */
function writeElement(out: AttributeWriter, element: Element): void {
  const key = (type: number, hex: string) => out.nest(type, () => out.hex(attribute.data.value, hex));
  const single = element.last !== undefined && element.single === true;
  out.nest(attribute.list.item, () => {
    key(attribute.element.key, element.key);
    if (element.last !== undefined && !single) key(attribute.element.keyEnd, element.last);
    const { verdict } = element;
    if (verdict !== undefined) out.nest(attribute.element.data, () => writeVerdict(out, verdict));
  });
  const after = single ? successor(element.last as string) : undefined;
  if (after === undefined) return;
  out.nest(attribute.list.item, () => {
    key(attribute.element.key, after);
    out.u32(attribute.element.flags, elementFlags.intervalEnd);
  });
}

/** The next value of the same width; none after the last. */
export function successor(hex: string): string | undefined {
  const next = BigInt(`0x${hex}`) + 1n;
  const text = next.toString(16).padStart(hex.length, "0");
  return text.length > hex.length ? undefined : text;
}

export function flagsOf(set: NftSet): number {
  const ranges = set.interval ? setFlags.interval : 0;
  const concatenated = set.interval && set.key.length > 1 ? setFlags.concatenation : 0;
  return ranges | concatenated | (set.verdicts ? setFlags.map : 0);
}

/** nftables keeps a concatenation's type in steps of six bits. */
export function keyType(key: readonly Field[]): number {
  return key.reduce((type, field) => type * 64 + fields[field].type, 0) >>> 0;
}

/** Tells nft in which byte order to print keys of one field, and the comment. */
function setUserdata(set: NftSet): Buffer {
  const name = set.key.length === 1 && set.key[0]?.endsWith("ifname");
  const byteOrder = Buffer.from([0, 4, name ? 1 : 2, 0, 0, 0]);
  return set.comment === undefined ? byteOrder : Buffer.concat([byteOrder, comment(7, set.comment)]);
}

/** A comment in nftables' userdata format: type, length, text with NUL. */
export function comment(type: number, text: string): Buffer {
  const bytes = Buffer.alloc(text.length + 3);
  bytes[0] = type;
  bytes[1] = text.length + 1;
  bytes.write(text, 2, "latin1");
  return bytes;
}
