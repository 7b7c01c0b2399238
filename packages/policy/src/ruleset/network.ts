import type { Hex } from "./ruleset.ts";
import { address } from "./value.ts";

const notation = /^(.+)\/([0-9]{1,3})$/;

/** First and last address of a prefix, hex. What comes here has been checked; what is no network all the same throws. */
export function bounds(prefix: string): readonly [first: Hex, last: Hex] {
  const [, text = "", length] = notation.exec(prefix) ?? [];
  const base = address(text);
  const hostBits = base.length * 4 - Number(length);
  if (!(hostBits >= 0)) throw new RangeError(`${prefix} is no network`);
  const value = BigInt(`0x${base}`);
  const host = (1n << BigInt(hostBits)) - 1n;
  const show = (number: bigint) => number.toString(16).padStart(base.length, "0");
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
