import { type BlockGeometry, blockGeometry } from "./block-geometry.ts";
import { IpamError } from "./errors.ts";
import { blockName } from "./names.ts";
import type { IPAMBlock } from "./resources.ts";

const checked = new WeakMap<IPAMBlock, BlockGeometry>();

/**
 * The geometry of a block whose JSON makes sense. A block that does not is quarantined: everybody who needs it gets this error, nobody
 * rewrites it.
 * @throws IpamError ObjectCorrupt, naming object and field
 */
export function decodeBlock(block: IPAMBlock): BlockGeometry {
  const known = checked.get(block);
  if (known) return known;
  const geometry = check(block);
  checked.set(block, geometry);
  return geometry;
}

/** Undefined instead of an error. */
export function tryDecodeBlock(block: IPAMBlock): BlockGeometry | undefined {
  try {
    return decodeBlock(block);
  } catch {
    return undefined;
  }
}

const isIndex = (value: unknown, limit: number): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < limit;
const isMap = (value: unknown): boolean =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === "string";
const isTextMap = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  (isMap(value) && Object.values(value as object).every((text) => typeof text === "string"));
const isSequence = (value: unknown): boolean =>
  value === undefined ||
  (typeof value === "bigint" && value >= 0n) ||
  (Number.isSafeInteger(value) && Number(value) >= 0);

function check({ metadata, spec }: IPAMBlock): BlockGeometry {
  const wrong = (field: string, message: string) =>
    new IpamError("ObjectCorrupt", message, { object: `IPAMBlock ${metadata.name}`, field: `spec.${field}` });
  if (!isMap(spec)) throw wrong("", "is not an object");
  const geometry = typeof spec.cidr === "string" ? blockGeometry(spec.cidr) : undefined;
  if (!geometry) throw wrong("cidr", `${JSON.stringify(spec.cidr)} is not the CIDR of a block`);
  if (blockName(spec.cidr) !== metadata.name)
    throw wrong("cidr", `${spec.cidr} does not belong under the name ${metadata.name}`);
  if (!isText(spec.affinity)) throw wrong("affinity", "is not a text");
  if (!isText(spec.affinityClaimTime)) throw wrong("affinityClaimTime", "is not a time");
  if (!isSequence(spec.sequenceNumber)) throw wrong("sequenceNumber", "is not a whole number");

  if (!Array.isArray(spec.attributes)) throw wrong("attributes", "is not a list");
  for (const [i, entry] of spec.attributes.entries()) {
    if (!isMap(entry)) throw wrong(`attributes[${i}]`, "is not an object");
    if (!isText(entry.handle_id)) throw wrong(`attributes[${i}].handle_id`, "is not a text");
    if (!isTextMap(entry.secondary)) throw wrong(`attributes[${i}].secondary`, "is not a map of texts");
    if (!isTextMap(entry.alternateOwnerAttrs))
      throw wrong(`attributes[${i}].alternateOwnerAttrs`, "is not a map of texts");
    if (!isText(entry.releasedAt)) throw wrong(`attributes[${i}].releasedAt`, "is not a time");
  }

  if (!Array.isArray(spec.allocations) || spec.allocations.length !== geometry.size)
    throw wrong("allocations", `must have ${geometry.size} entries, one per address of ${spec.cidr}`);
  for (const [ordinal, index] of spec.allocations.entries())
    if (index !== null && !isIndex(index, spec.attributes.length))
      throw wrong(`allocations[${ordinal}]`, `${JSON.stringify(index)} is not an index into attributes`);

  if (!Array.isArray(spec.unallocated)) throw wrong("unallocated", "is not a list");
  const free = new Set<number>();
  for (const [i, ordinal] of spec.unallocated.entries()) {
    const field = `unallocated[${i}]`;
    if (!isIndex(ordinal, geometry.size)) throw wrong(field, `${JSON.stringify(ordinal)} is not an ordinal`);
    if (free.has(ordinal)) throw wrong(field, `ordinal ${ordinal} is listed twice`);
    if (spec.allocations[ordinal] !== null) throw wrong(field, `ordinal ${ordinal} is allocated as well`);
    free.add(ordinal);
  }

  const sequences = spec.sequenceNumberForAllocation;
  if (sequences !== undefined && sequences !== null && !isMap(sequences))
    throw wrong("sequenceNumberForAllocation", "is not a map");
  for (const [ordinal, value] of Object.entries(sequences ?? {}))
    if (!isIndex(Number(ordinal), geometry.size) || !isSequence(value))
      throw wrong(`sequenceNumberForAllocation.${ordinal}`, "is not the sequence number of an ordinal");
  return geometry;
}
