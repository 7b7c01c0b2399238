import { createHash } from "node:crypto";

/** BIRD's `SYM_MAX_LEN` is 64 with the final zero byte. */
const longest = 63;
const plainName = /^[A-Za-z0-9][A-Za-z0-9.-]*$/;

/**
 * A quoted BIRD symbol for an object's name. Plain, short names stay readable (`'peer.rack1'`); anything else becomes a
 * prefix and a hash (`'peer:a_b:5f0c…'`), so that no name is ever read as syntax and two names never meet.
 */
export function symbol(kind: string, name: string): string {
  const plain = `${kind}.${name}`;
  if (plainName.test(name) && plain.length <= longest) return `'${plain}'`;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 20);
  const room = longest - kind.length - digest.length - 2;
  return `'${kind}:${name.replace(/[^A-Za-z0-9-]/g, "_").slice(0, Math.max(0, room))}:${digest}'`;
}

/**
 * A BIRD string. BIRD 2.0 has no escape inside quotes: a text with a quote, a line break or another control character cannot be
 * written. Undefined then.
 */
export function quoted(text: string): string | undefined {
  for (const character of text) {
    const code = character.codePointAt(0)!;
    if (character === '"' || code < 0x20 || code === 0x7f) return undefined;
  }
  return `"${text}"`;
}

/** An interface name pattern: the characters Linux names are made of in practice, and `*`. */
export function interfacePattern(text: string): string | undefined {
  return /^[A-Za-z0-9_.:@*-]{1,15}$/.test(text) ? `"${text}"` : undefined;
}
