import ipaddr from "ipaddr.js";
import { type Field, fields } from "./field.ts";

/** Interface names as the kernel compares them: 16 bytes, NUL-padded, hex. */
export function interfaceName(name: string): string {
  return Buffer.from(name).toString("hex").padEnd(32, "0");
}

/** A name prefix: the comparison then covers only these bytes. */
export function interfacePrefix(prefix: string): string {
  return Buffer.from(prefix).toString("hex");
}

/** An address as the kernel holds it. */
export function address(text: string): string {
  return usualAddress(text) ?? Buffer.from(ipaddr.parse(text).toByteArray()).toString("hex");
}

/**
 * The same for an address written as addresses usually are, `undefined` for any other text. By hand, because a large cluster has
 * hundreds of thousands of them.
 */
export function usualAddress(text: string): string | undefined {
  return text.includes(":") ? usualIpv6(text) : usualIpv4(text);
}

const dot = 0x2e;
const colon = 0x3a;
const zero = 0x30;

/** Four decimal numbers without leading zeros. */
function usualIpv4(text: string): string | undefined {
  let hex = "";
  let parts = 0;
  let value = -1;
  for (let at = 0; at <= text.length; at++) {
    const code = at < text.length ? text.charCodeAt(at) : dot;
    if (code === dot) {
      if (value < 0 || value > 255) return undefined;
      hex += octets[value];
      parts++;
      value = -1;
    } else {
      const digit = code - zero;
      if (digit < 0 || digit > 9 || value === 0) return undefined;
      value = value < 0 ? digit : value * 10 + digit;
    }
  }
  return parts === 4 ? hex : undefined;
}

const octets: readonly string[] = Array.from({ length: 256 }, (_, value) => u8(value));

const digitsOfGroup = 4;
const digitsOfIpv6 = 32;
/** The digits of one address; text is made of them at once, not piece by piece. */
const digits = Buffer.alloc(digitsOfIpv6);

/** Groups of hexadecimal digits with at most one gap; no zone, no decimal tail. */
function usualIpv6(text: string): string | undefined {
  const gap = text.indexOf("::");
  if (gap < 0)
    return writeGroups(text, 0, text.length, 0) === digitsOfIpv6 ? digits.toString("latin1") : undefined;
  const head = gap === 0 ? 0 : writeGroups(text, 0, gap, 0);
  if (head === undefined) return undefined;
  const from = gap + 2;
  const groups = from === text.length ? 0 : countGroups(text, from);
  const begin = digitsOfIpv6 - groups * digitsOfGroup;
  if (begin < head + digitsOfGroup) return undefined;
  digits.fill(zero, head, begin);
  if (groups > 0 && writeGroups(text, from, text.length, begin) !== digitsOfIpv6) return undefined;
  return digits.toString("latin1");
}

function countGroups(text: string, from: number): number {
  let groups = 1;
  for (let at = from; at < text.length; at++) if (text.charCodeAt(at) === colon) groups++;
  return groups;
}

/** Writes the groups of a part of the text, four digits each, and tells where they end; `undefined` when it is not made of groups. */
function writeGroups(text: string, from: number, to: number, begin: number): number | undefined {
  let written = begin;
  for (let at = from; at <= to; at++) {
    let end = at;
    while (end < to && text.charCodeAt(end) !== colon) end++;
    const missing = digitsOfGroup - (end - at);
    if (missing < 0 || missing === digitsOfGroup || written === digitsOfIpv6) return undefined;
    for (let pad = 0; pad < missing; pad++) digits[written++] = zero;
    for (; at < end; at++) {
      const code = text.charCodeAt(at);
      if (!isLowerHex(code)) return undefined;
      digits[written++] = code;
    }
  }
  return written;
}

const isLowerHex = (code: number) => (code >= zero && code <= 0x39) || (code >= 0x61 && code <= 0x66);

export function mac(text: string): string {
  return text.toLowerCase().replaceAll(":", "");
}

export function u8(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** Network byte order, as in headers. */
export function u16(value: number): string {
  return value.toString(16).padStart(4, "0");
}

/** Host byte order, as the kernel keeps marks and conntrack state. */
export function host32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes.toString("hex");
}

/** The key of a set over several fields: each padded to whole registers of four bytes. */
export function concatenation(values: readonly string[]): string {
  if (values.length === 1) return values[0] as string;
  return values.map((value) => value.padEnd(Math.ceil(value.length / 8) * 8, "0")).join("");
}

/** Bytes of a key over these fields, as registers hold it. */
export function keyBytes(key: readonly Field[]): number {
  if (key.length === 1) return fields[key[0] as Field].bytes;
  return key.reduce((sum, field) => sum + ((fields[field].bytes + 3) & ~3), 0);
}

export type Family = 4 | 6;

export function familyOf(addressOrNet: string): Family {
  return addressOrNet.includes(":") ? 6 : 4;
}
