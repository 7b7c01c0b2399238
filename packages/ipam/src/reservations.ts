import { type Cidr, cidrContains, cidrsOverlap, parseCidrOrAddress } from "./address.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import type { IPReservation } from "./resources.ts";

export interface Reservations {
  readonly cidrs: readonly Cidr[];
  /** Items that are neither address nor CIDR; they reserve nothing. */
  readonly problems: readonly string[];
  /** Undefined when nothing of the block is reserved. */
  within(block: BlockGeometry): ((ordinal: number) => boolean) | undefined;
  coversBlock(block: BlockGeometry): boolean;
}

export function decodeReservations(reservations: readonly IPReservation[]): Reservations {
  const cidrs: Cidr[] = [];
  const problems: string[] = [];
  for (const { metadata, spec } of reservations) {
    const items: unknown = spec?.reservedCIDRs ?? [];
    if (!Array.isArray(items)) {
      problems.push(`IPReservation ${metadata.name} spec.reservedCIDRs is not a list`);
      continue;
    }
    for (const [i, text] of items.entries()) {
      const cidr = typeof text === "string" ? parseCidrOrAddress(text) : undefined;
      if (cidr) cidrs.push(cidr);
      else
        problems.push(
          `IPReservation ${metadata.name} spec.reservedCIDRs[${i}]: ${JSON.stringify(text)} is not an address or CIDR`,
        );
    }
  }
  return {
    cidrs,
    problems,
    within(block) {
      const near = cidrs.filter((cidr) => cidrsOverlap(cidr, block.network));
      if (near.length === 0) return undefined;
      const reserved = new Set<number>();
      for (let ordinal = 0; ordinal < block.size; ordinal++) {
        const address = { family: block.family, value: block.network.value + BigInt(ordinal) };
        if (near.some((cidr) => cidrContains(cidr, address))) reserved.add(ordinal);
      }
      return (ordinal) => reserved.has(ordinal);
    },
    coversBlock: (block) => cidrs.some((cidr) => cidrContains(cidr, block.network)),
  };
}
