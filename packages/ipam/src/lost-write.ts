import { isDeepStrictEqual } from "node:util";
import { nextSequence, sameSequence } from "./block-draft.ts";
import type { IPAMBlock, IPAMBlockSpec, Sequence } from "./resources.ts";

/** A write of a block whose answer was lost. */
export interface LostWrite {
  /** The version it was based on: it lands on this one or not at all. */
  readonly base: IPAMBlock;
  /** What it wrote; null: it removed the block. */
  readonly intended: IPAMBlockSpec | null;
}

/**
 * What became of a lost write, by the block as it is now (undefined: there is none). `pending`: nothing was written since, the request
 * may still be on its way. `landed`: it is in the block. `void`: another write came first, or it cannot be told apart from one; then
 * whatever was to be changed is decided anew.
 *
 * A block's sequence number counts its writes and every allocation carries the number of its write. So one write only can have made
 * the allocations with the number of the base: if they are ours, and nothing else that we wrote is missing, it was ours.
 */
export function fateOf(
  { base, intended }: LostWrite,
  present: IPAMBlock | undefined,
): "landed" | "pending" | "void" {
  const isSameObject = present !== undefined && present.metadata.uid === base.metadata.uid;
  if (isSameObject && present.metadata.resourceVersion === base.metadata.resourceVersion) return "pending";
  if (intended === null) return isSameObject ? "void" : "landed";
  if (!isSameObject) return "void";
  const number = base.spec.sequenceNumber ?? 0;
  const [before, meant, now] = [contentOf(base.spec), contentOf(intended), contentOf(present.spec)];
  if (sameSequence(present.spec.sequenceNumber, nextSequence(number)))
    return isDeepStrictEqual(now, meant) ? "landed" : "void";
  if (meant.affinity !== before.affinity && now.affinity !== meant.affinity) return "void";
  let proof = false;
  for (const [ordinal, entry] of meant.entries.entries()) {
    if (isDeepStrictEqual(entry, before.entries[ordinal])) continue;
    const found = now.entries[ordinal];
    // Who wrote later may have changed it once more, but what was there before the write is over.
    if (isDeepStrictEqual(found, before.entries[ordinal])) return "void";
    if (!sameSequence(entry?.number, number)) continue;
    if (!sameSequence(found?.number, number) || found?.handle !== entry?.handle) return "void";
    proof = true;
  }
  return proof ? "landed" : "void";
}

interface Entry {
  readonly handle: string;
  readonly active: object;
  readonly alternate: object;
  readonly releasedAt: string | null;
  readonly number: Sequence | undefined;
}

/** Who has what, without the differences that a server may make: absent and null fields, the order of the entries. */
function contentOf(spec: IPAMBlockSpec) {
  const entries = spec.allocations.map((index, ordinal): Entry | undefined => {
    const entry = index === null ? undefined : spec.attributes[index];
    return (
      entry && {
        handle: entry.handle_id?.toLowerCase() ?? "",
        active: { ...entry.secondary },
        alternate: { ...entry.alternateOwnerAttrs },
        releasedAt: entry.releasedAt ?? null,
        number: spec.sequenceNumberForAllocation?.[ordinal],
      }
    );
  });
  return { affinity: spec.affinity ?? null, entries };
}
