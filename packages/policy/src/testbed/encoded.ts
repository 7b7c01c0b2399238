import { listAttributes, readAttributes, readText } from "../nftables/attribute.ts";
import { attribute, batch, message, subsystem } from "../nftables/constants.ts";

/** Names in nf_tables: `nft list` can be read back, and no shell or syntax has a meaning for them. */
export const harmlessName = /^[A-Za-z][A-Za-z0-9_.-]{0,127}$/;
/** Comments and log prefixes, which nft prints between quotation marks and does not escape. */
export const harmlessComment = /^[A-Za-z0-9._/: |-]{0,127}$/;
const expressions =
  /^(immediate|cmp|bitwise|lookup|meta|payload|ct|range|counter|reject|log|limit|notrack|masq|nat|exthdr|fib|byteorder)$/;

type Check = (value: Buffer) => boolean;
const name: Check = (value) => harmlessName.test(whole(value));
const table: Check = (value) => whole(value) === "fairlead";

/** Which messages may be there, and what the texts in them may be. */
const messages: Readonly<Record<number, Readonly<Record<number, Check>>>> = {
  [message.newTable]: { [attribute.table.name]: table },
  [message.delTable]: { [attribute.table.name]: table },
  [message.newChain]: {
    [attribute.chain.table]: table,
    [attribute.chain.name]: name,
    [attribute.chain.userdata]: note,
  },
  [message.delChain]: { [attribute.chain.table]: table, [attribute.chain.name]: name },
  [message.newRule]: {
    [attribute.rule.table]: table,
    [attribute.rule.chain]: name,
    [attribute.rule.expressions]: rule,
    [attribute.rule.userdata]: note,
  },
  [message.delRule]: { [attribute.rule.table]: table, [attribute.rule.chain]: name },
  [message.newSet]: {
    [attribute.set.table]: table,
    [attribute.set.name]: name,
    [attribute.set.userdata]: note,
  },
  [message.delSet]: { [attribute.set.table]: table, [attribute.set.name]: name },
  [message.newElement]: { [attribute.elements.table]: table, [attribute.elements.set]: name },
  [message.delElement]: { [attribute.elements.table]: table, [attribute.elements.set]: name },
};

/**
 * What is wrong with a transaction, read back as the kernel reads it: lengths that do not add up, messages that should not be there, texts
 * that are more than names. Injection would be one of these; there is no other syntax.
 */
export function strangeIn(bytes: Buffer): string[] {
  const found: string[] = [];
  let at = 0;
  while (at + 20 <= bytes.length) {
    const size = bytes.readUInt32LE(at);
    const type = bytes.readUInt16LE(at + 4);
    if (size < 20 || at + size > bytes.length) return [...found, `message of ${size} bytes at ${at}`];
    if (type !== batch.begin && type !== batch.end) {
      const checks = type >> 8 === subsystem >> 8 ? messages[type & 0xff] : undefined;
      const body = bytes.subarray(at + 20, at + size);
      if (checks === undefined) found.push(`message of type ${type}`);
      else if (!addsUp(body)) found.push(`attributes of message type ${type & 0xff} do not add up`);
      else {
        for (const [kind, value] of listAttributes(body))
          if (checks[kind]?.(value) === false)
            found.push(`attribute ${kind} of message type ${type & 0xff}: ${shown(value)}`);
      }
    }
    at += size;
  }
  return at === bytes.length ? found : [...found, `${bytes.length - at} bytes left over`];
}

const shown = (value: Buffer) => JSON.stringify(value.toString("latin1").slice(0, 100));

/** The text with everything after its first NUL as well, should there be something. */
function whole(value: Buffer): string {
  return value.at(-1) === 0 ? value.toString("latin1", 0, value.length - 1) : "no NUL";
}

/** Attributes fill their space to the last byte. */
function addsUp(bytes: Buffer): boolean {
  let end = 0;
  for (const [, value] of listAttributes(bytes)) end += (4 + value.length + 3) & ~3;
  return end === bytes.length;
}

/** Userdata is a list of type, length and value; all that is not a number is a comment. */
function note(value: Buffer): boolean {
  for (let at = 0; at < value.length; at += 2 + (value[at + 1] ?? 0)) {
    const size = value[at + 1] ?? -1;
    if (size < 1 || at + 2 + size > value.length) return false;
    const text = value.subarray(at + 2, at + 2 + size);
    const isNumber = size === 4 && text[3] === 0 && text[1] === 0;
    if (!isNumber && !harmlessComment.test(whole(text))) return false;
  }
  return true;
}

/** Every expression has a name we know, and the texts in it are names. */
function rule(value: Buffer): boolean {
  if (!addsUp(value)) return false;
  for (const [, item] of listAttributes(value)) {
    if (!addsUp(item)) return false;
    const parts = new Map(listAttributes(item));
    const kind = readText(parts.get(attribute.expression.name));
    const data = parts.get(attribute.expression.data);
    if (!expressions.test(kind) || (data !== undefined && !addsUp(data))) return false;
    const fields = new Map(listAttributes(data ?? Buffer.alloc(0)));
    if (kind === "cmp" && (readAttributes(fields.get(3) ?? Buffer.alloc(0)).get(1)?.length ?? 99) > 16)
      return false;
    if (kind === "lookup" && !name(fields.get(1) ?? Buffer.alloc(0))) return false;
    if (kind === "log" && !harmlessComment.test(whole(fields.get(2) ?? Buffer.alloc(0)))) return false;
  }
  return true;
}
