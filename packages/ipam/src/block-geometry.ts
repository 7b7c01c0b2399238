import {
  addressBits,
  type Cidr,
  cidrContains,
  formatCidr,
  formatGroups,
  formatIPv4,
  networkOf,
  parseAddress,
  parseCidr,
} from "./address.ts";
import type { Family } from "./resources.ts";

/** Smallest and largest prefix length of a block, and the default. */
export const blockSizes: Readonly<
  Record<Family, { readonly min: number; readonly max: number; readonly default: number }>
> = {
  4: { min: 20, max: 32, default: 26 },
  6: { min: 116, max: 128, default: 122 },
};

/** A block's address arithmetic, in ordinals. */
export interface BlockGeometry {
  /** Canonical text. */
  readonly cidr: string;
  readonly network: Cidr;
  readonly family: Family;
  readonly prefixLength: number;
  /** Number of addresses, at most 4096. */
  readonly size: number;
  addressOf(ordinal: number): string;
  /** -1 when the address is not in the block. */
  ordinalOf(address: string): number;
}

const cache = new Map<string, BlockGeometry>();
const cacheLimit = 65_536;

/** Undefined for anything that is not the canonical CIDR of a possible block. */
export function blockGeometry(text: string): BlockGeometry | undefined {
  const known = cache.get(text);
  if (known) return known;
  const parsed = typeof text === "string" ? parseCidr(text) : undefined;
  if (!parsed) return undefined;
  const { min, max } = blockSizes[parsed.family];
  if (parsed.prefixLength < min || parsed.prefixLength > max) return undefined;
  const network = networkOf(parsed);
  if (network.value !== parsed.value) return undefined;
  const geometry = measure(network);
  if (geometry.cidr !== text) return undefined;
  if (cache.size >= cacheLimit) cache.clear();
  cache.set(text, geometry);
  return geometry;
}

function measure(network: Cidr): BlockGeometry {
  const { family, prefixLength } = network;
  const base = Number(network.value & 0xffff_ffffn);
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((network.value >> shift) & 0xffffn));
  const last = groups[7]!;
  return {
    cidr: formatCidr(network),
    network,
    family,
    prefixLength,
    size: 2 ** (addressBits(family) - prefixLength),
    addressOf: (ordinal) =>
      family === 4 ? formatIPv4(base + ordinal) : formatGroups([...groups.slice(0, 7), last + ordinal]),
    ordinalOf(text) {
      const address = parseAddress(text);
      return address && cidrContains(network, address) ? Number(address.value - network.value) : -1;
    },
  };
}
