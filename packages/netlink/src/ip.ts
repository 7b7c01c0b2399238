/** IP addresses and prefixes as text and as bytes in network order. */
import { NetlinkError } from "./error.ts";

/** IP version. */
export type Family = 4 | 6;

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

function parseV6(text: string): Buffer | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0] ?? "", halves.length === 1);
  const tail = groupsOf(halves[1] ?? "", true);
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  const bytes = Buffer.alloc(16);
  for (const [i, group] of head.entries()) bytes.writeUInt16BE(group, i * 2);
  for (const [i, group] of tail.entries()) bytes.writeUInt16BE(group, (8 - tail.length + i) * 2);
  return bytes;
}

/** 16-bit groups of one side of `::`; only the last side may end in an IPv4 address. */
function groupsOf(text: string, last: boolean): number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const v4 = last && i === parts.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(v4.readUInt16BE(0), v4.readUInt16BE(2));
    }
  }
  return groups.length <= 8 ? groups : undefined;
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
