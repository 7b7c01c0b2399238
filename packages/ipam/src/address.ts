import { isIPv4, isIPv6 } from "node:net";
import type { Family } from "./resources.ts";

/** A parsed address. BigInt stays at this edge: inside a block an address is its ordinal. */
export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

export interface Cidr extends Address {
  readonly prefixLength: number;
}

export const addressBits = (family: Family): 32 | 128 => (family === 4 ? 32 : 128);

/** Parses one address; undefined for anything else, also for zones (`fe80::1%eth0`) and shorthand (`10.1`). */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: parseIPv4(text) };
  if (isIPv6(text) && !text.includes("%")) return { family: 6, value: parseIPv6(text) };
  return undefined;
}

function parseIPv4(text: string): bigint {
  let value = 0;
  for (const part of text.split(".")) value = value * 256 + Number(part);
  return BigInt(value);
}

function parseIPv6(text: string): bigint {
  const lastColon = text.lastIndexOf(":");
  if (text.includes(".")) {
    const tail = parseIPv4(text.slice(lastColon + 1));
    text = `${text.slice(0, lastColon + 1)}${(tail >> 16n).toString(16)}:${(tail & 0xffffn).toString(16)}`;
  }
  const [head = "", tail] = text.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  let value = 0n;
  for (const group of [...left, ...new Array<string>(zeros).fill("0"), ...right])
    value = (value << 16n) | BigInt(Number.parseInt(group, 16));
  return value;
}

/** The canonical text: dotted decimal, or RFC 5952. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return formatIPv4(Number(value));
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((value >> shift) & 0xffffn));
  return formatGroups(groups);
}

export function formatIPv4(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** RFC 5952: the longest run of two or more zero groups (the first of equals) becomes `::`. */
export function formatGroups(groups: readonly number[]): string {
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) {
      start = i;
      length = end - i;
    }
    if (end > i) i = end;
  }
  const hex = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return start < 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`;
}

/** Parses `address/length`. Host bits may be set; see {@link networkOf}. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return undefined;
  const address = parseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (!address || !/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > addressBits(address.family))
    return undefined;
  return { ...address, prefixLength: Number(length) };
}

/** An address counts as the CIDR that holds only itself. */
export function parseCidrOrAddress(text: string): Cidr | undefined {
  const address = parseAddress(text);
  return address ? { ...address, prefixLength: addressBits(address.family) } : parseCidr(text);
}

/** The same CIDR without host bits. */
export function networkOf(cidr: Cidr): Cidr {
  const hostBits = BigInt(addressBits(cidr.family) - cidr.prefixLength);
  return { ...cidr, value: (cidr.value >> hostBits) << hostBits };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr)}/${cidr.prefixLength}`;
}

/** Number of addresses. */
export const cidrSize = (cidr: Cidr): bigint => 1n << BigInt(addressBits(cidr.family) - cidr.prefixLength);

export function cidrContains(outer: Cidr, inner: Address | Cidr): boolean {
  if (outer.family !== inner.family) return false;
  if ("prefixLength" in inner && inner.prefixLength < outer.prefixLength) return false;
  const hostBits = BigInt(addressBits(outer.family) - outer.prefixLength);
  return inner.value >> hostBits === outer.value >> hostBits;
}

export const cidrsOverlap = (a: Cidr, b: Cidr): boolean =>
  a.prefixLength <= b.prefixLength ? cidrContains(a, b) : cidrContains(b, a);
