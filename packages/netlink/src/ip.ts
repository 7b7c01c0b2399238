/** IP addresses and prefixes as text and as bytes in network order. */
import { NetlinkError } from "./error.ts";

/** IP version. */
export type Family = 4 | 6;

/** An address in network byte order and the length of its prefix in bits. */
export interface Prefix {
  readonly family: Family;
  /** 4 or 16 bytes. */
  readonly address: Buffer;
  /** Bits, 0 to 32 or 128. */
  readonly length: number;
}

export const AF_INET = 2;
export const AF_INET6 = 10;

/** Address family number of the socket interface. */
export const addressFamily = (family: Family): number => (family === 4 ? AF_INET : AF_INET6);

/** IP version of an address family number; undefined for AF_BRIDGE, AF_MPLS and so on. */
export function familyOf(number: number): Family | undefined {
  return number === AF_INET ? 4 : number === AF_INET6 ? 6 : undefined;
}

/** `10.0.0.1` or `fe80::1` to 4 or 16 bytes. Throws `Invalid`. */
export function parseAddress(text: string): Buffer {
  const bytes = text.includes(":") ? parseV6(text) : parseV4(text);
  if (bytes !== undefined) return bytes;
  throw new NetlinkError({
    code: "Invalid",
    operation: "parse IP address",
    object: JSON.stringify(text),
    advice: "Write it like 10.0.0.1 or 2001:db8::1, without prefix length or zone",
  });
}

/** `10.0.0.0/24`; without a length the whole address. Bits beyond the length are kept. Throws `Invalid`. */
export function parsePrefix(text: string): Prefix {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  const bits = address.length * 8;
  const digits = slash < 0 ? String(bits) : text.slice(slash + 1);
  const length = Number(digits);
  if (/^(0|[1-9]\d{0,2})$/.test(digits) && length <= bits) {
    return { family: address.length === 4 ? 4 : 6, address, length };
  }
  throw new NetlinkError({
    code: "Invalid",
    operation: "parse IP prefix",
    object: JSON.stringify(text),
    advice: `The prefix length is a number from 0 to ${bits}`,
  });
}

/** IP version of an address or prefix in text. Throws `Invalid`. */
export const familyOfText = (text: string): Family => (text.includes(":") ? 6 : 4);

/** 4 or 16 bytes to text, IPv6 as RFC 5952 says. Throws `Malformed` for another length. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length === 16) return formatV6(bytes);
  throw new NetlinkError({
    code: "Malformed",
    operation: "read IP address",
    object: `${bytes.length} bytes`,
  });
}

/** `10.0.0.0/8` from bytes in network order. */
export const formatPrefix = (address: Uint8Array, length: number): string =>
  `${formatAddress(address)}/${length}`;

function parseV4(text: string): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(4);
  let value = -1;
  let at = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = i === text.length ? 46 : text.charCodeAt(i);
    if (char === 46) {
      if (value < 0 || at > 3) return undefined;
      bytes[at++] = value;
      value = -1;
    } else if (char >= 48 && char <= 57) {
      // No leading zeros: some programs read 010 as 8.
      if (value === 0) return undefined;
      value = (value < 0 ? 0 : value * 10) + char - 48;
      if (value > 255) return undefined;
    } else return undefined;
  }
  return at === 4 ? bytes : undefined;
}

/** One pass, as route tables are full of these. `gap` is where `::` stands, in bytes. */
function parseV6(text: string): Buffer | undefined {
  const bytes = Buffer.alloc(16);
  let at = 0;
  let gap = -1;
  let start = 0;
  let group = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = i === text.length ? END : text.charCodeAt(i);
    const digit = hexDigit(char);
    if (digit >= 0) {
      if (i - start > 3) return undefined;
      group = group * 16 + digit;
    } else if (char === COLON || char === END) {
      if (i > start) {
        if (at > 14) return undefined;
        bytes[at++] = group >> 8;
        bytes[at++] = group & 255;
        group = 0;
      } else if (char === END) {
        if (gap !== at) return undefined;
      } else if (gap >= 0 || (i === 0 && text.charCodeAt(++i) !== COLON)) return undefined;
      else gap = at;
      start = i + 1;
    } else {
      // An IPv4 address may be the end.
      const tail = char === DOT && at <= 12 ? parseV4(text.slice(start)) : undefined;
      if (tail === undefined) return undefined;
      tail.copy(bytes, at);
      at += 4;
      break;
    }
  }
  if (gap < 0) return at === 16 ? bytes : undefined;
  if (at > 14) return undefined;
  bytes.copyWithin(16 - (at - gap), gap, at);
  return bytes.fill(0, gap, 16 - (at - gap));
}

const DOT = 46;
const COLON = 58;
const END = -1;

function hexDigit(char: number): number {
  if (char >= 48 && char <= 57) return char - 48;
  const letter = char | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

function formatV6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  const [start, length] = longestZeroRun(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): readonly [start: number, length: number] {
  let best: readonly [number, number] = [0, 0];
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === 0) end++;
    if (end - i > best[1]) best = [i, end - i];
    if (end > i) i = end;
  }
  return best;
}
