import ipaddr from "ipaddr.js";
import type { Hex } from "./ruleset.ts";

/** First and last address of a prefix, hex. */
export function bounds(prefix: string): readonly [first: string, last: string] {
  const [base, length] = ipaddr.parseCIDR(prefix);
  const bytes = base.toByteArray();
  const bits = bytes.length * 8;
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const host = (1n << BigInt(bits - length)) - 1n;
  const show = (number: bigint) => number.toString(16).padStart(bytes.length * 2, "0");
  return [show(value & ~host), show(value | host)];
}

/** A set of addresses as ranges of hex texts, ascending, not touching each other. */
export function mergeNetworks(prefixes: Iterable<string>): (readonly [first: Hex, last: Hex])[] {
  const ranges = [...prefixes].map(bounds).sort(([a], [b]) => (a < b ? -1 : 1));
  const merged: [Hex, Hex][] = [];
  for (const [first, last] of ranges) {
    const previous = merged.at(-1);
    if (previous !== undefined && previous[0].length === first.length && first <= follower(previous[1])) {
      if (last > previous[1]) previous[1] = last;
    } else merged.push([first, last]);
  }
  return merged;
}

/** The next address, or the same after the last one. */
function follower(hex: Hex): Hex {
  const next = (BigInt(`0x${hex}`) + 1n).toString(16).padStart(hex.length, "0");
  return next.length > hex.length ? hex : next;
}

export function contains([first, last]: readonly [Hex, Hex], address: Hex): boolean {
  return address.length === first.length && first <= address && address <= last;
}
