import { isEmptyOwner } from "./attributes.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import type { Attributes, BlockAttribute, IPAMBlockSpec, Sequence } from "./resources.ts";

/** Both owners of an address. Null: nobody. */
export interface Owners {
  readonly active: Attributes | null;
  readonly alternate: Attributes | null;
}

/** One allocated address, as it stands in a block. */
export interface Allocation {
  readonly ordinal: number;
  readonly address: string;
  readonly handle: string | undefined;
  readonly owners: Owners;
  readonly sequence: Sequence | undefined;
}

export interface DraftOptions {
  readonly now: Date;
  readonly cooldownSeconds: number;
}

/** Counts on, past 2^53 as a bigint. */
export function nextSequence(sequence: Sequence): Sequence {
  const next = BigInt(sequence) + 1n;
  return next <= Number.MAX_SAFE_INTEGER ? Number(next) : next;
}

export const sameSequence = (a: Sequence | undefined, b: Sequence | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && BigInt(a) === BigInt(b));

/** Handles are compared as the incumbent compares them, without case. */
export function sameHandle(a: string | null | undefined, b: string): boolean {
  if (a === b) return true;
  if (typeof a !== "string" || a.length !== b.length) return false;
  // From the end, where handles differ; this is the innermost loop of every look-up.
  for (let i = a.length - 1; i >= 0; i--) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y && lower(x) !== lower(y)) return false;
  }
  return true;
}

const lower = (code: number) => (code >= 65 && code <= 90 ? code + 32 : code);

/** An address counts as resting until `cooldownSeconds` after its release; after that its ordinal is free. */
export function isCoolingDown(entry: BlockAttribute, { now, cooldownSeconds }: DraftOptions): boolean {
  if (!entry.releasedAt) return false;
  const released = Date.parse(entry.releasedAt);
  return Number.isFinite(released) && now.getTime() - released < cooldownSeconds * 1000;
}

/** How many addresses could be given out now. */
export function countFree(spec: IPAMBlockSpec, options: DraftOptions): number {
  let free = spec.unallocated.length;
  if (spec.attributes.every((entry) => !entry.releasedAt)) return free;
  for (const index of spec.allocations) {
    const entry = index === null ? undefined : spec.attributes[index];
    if (entry?.releasedAt && !isCoolingDown(entry, options)) free++;
  }
  return free;
}

/** A block nobody has an address of; resting addresses do not count. */
export const isEmptyBlock = (spec: IPAMBlockSpec): boolean =>
  spec.allocations.every((index) => index === null || Boolean(spec.attributes[index]?.releasedAt));

/** Everything allocated in a block, in ordinal order. Resting addresses are not. */
export function* allocationsOf(spec: IPAMBlockSpec, geometry: BlockGeometry): Generator<Allocation> {
  for (let ordinal = 0; ordinal < geometry.size; ordinal++) {
    const allocation = allocationAt(spec, geometry, ordinal);
    if (allocation) yield allocation;
  }
}

export function allocationAt(
  spec: IPAMBlockSpec,
  geometry: BlockGeometry,
  ordinal: number,
): Allocation | undefined {
  const index = spec.allocations[ordinal];
  const entry = typeof index === "number" ? spec.attributes[index] : undefined;
  if (!entry || entry.releasedAt) return undefined;
  return {
    ordinal,
    address: geometry.addressOf(ordinal),
    handle: entry.handle_id ?? undefined,
    owners: ownersOf(entry),
    sequence: spec.sequenceNumberForAllocation?.[ordinal],
  };
}

const ownersOf = (entry: BlockAttribute): Owners => ({
  active: isEmptyOwner(entry.secondary) ? null : entry.secondary!,
  alternate: isEmptyOwner(entry.alternateOwnerAttrs) ? null : entry.alternateOwnerAttrs!,
});

/** The addresses of one handle in a block. */
export function allocationsOfHandle(
  spec: IPAMBlockSpec,
  geometry: BlockGeometry,
  handle: string,
): Allocation[] {
  const indexes = new Set<number>();
  for (const [index, entry] of spec.attributes.entries())
    if (sameHandle(entry.handle_id, handle)) indexes.add(index);
  const found: Allocation[] = [];
  if (indexes.size === 0) return found;
  for (const [ordinal, index] of spec.allocations.entries()) {
    if (index === null || !indexes.has(index)) continue;
    const allocation = allocationAt(spec, geometry, ordinal);
    if (allocation) found.push(allocation);
  }
  return found;
}

/**
 * A block while it is being changed: any number of changes, then one write. Pure: no clock, no store.
 * Every method either does all it says or throws before touching anything.
 */
export class BlockDraft {
  readonly geometry: BlockGeometry;
  readonly now: Date;
  affinity: string | null;
  changed = false;
  /** Addresses whose rest is over, free again in this draft. */
  thawed = 0;
  #claimTime: string | null | undefined;
  readonly #options: DraftOptions;
  readonly #spec: IPAMBlockSpec;
  readonly #entries: (BlockAttribute | undefined)[];
  readonly #free: number[];
  readonly #sequence: Sequence;
  readonly #sequences: Record<string, Sequence>;

  constructor(spec: IPAMBlockSpec, geometry: BlockGeometry, options: DraftOptions) {
    this.geometry = geometry;
    this.now = options.now;
    this.affinity = spec.affinity ?? null;
    this.#claimTime = spec.affinityClaimTime;
    this.#options = options;
    this.#spec = spec;
    this.#entries = spec.allocations.map((index) => (index === null ? undefined : spec.attributes[index]));
    this.#free = [...spec.unallocated];
    this.#sequence = spec.sequenceNumber ?? 0;
    this.#sequences = { ...spec.sequenceNumberForAllocation };
    this.#thaw();
  }

  #thaw() {
    for (const [ordinal, entry] of this.#entries.entries()) {
      if (!entry?.releasedAt || isCoolingDown(entry, this.#options)) continue;
      this.#entries[ordinal] = undefined;
      this.#free.push(ordinal);
      this.thawed++;
    }
  }

  get freeCount(): number {
    return this.#free.length;
  }

  /** Nobody has an address of it and none rests. */
  get isUntouched(): boolean {
    return this.#entries.every((entry) => !entry);
  }

  /** Nobody has an address of it. */
  get isEmpty(): boolean {
    return this.#entries.every((entry) => !entry || entry.releasedAt);
  }

  state(ordinal: number): "free" | "allocated" | "cooling" {
    const entry = this.#entries[ordinal];
    return entry ? (entry.releasedAt ? "cooling" : "allocated") : "free";
  }

  at(ordinal: number): Allocation | undefined {
    const entry = this.#entries[ordinal];
    if (!entry || entry.releasedAt) return undefined;
    return {
      ordinal,
      address: this.geometry.addressOf(ordinal),
      handle: entry.handle_id ?? undefined,
      owners: ownersOf(entry),
      sequence: this.#sequences[ordinal],
    };
  }

  ofHandle(handle: string): Allocation[] {
    const found: Allocation[] = [];
    for (const [ordinal, entry] of this.#entries.entries())
      if (entry && sameHandle(entry.handle_id, handle)) {
        const allocation = this.at(ordinal);
        if (allocation) found.push(allocation);
      }
    return found;
  }

  /** Takes up to `count` free ordinals, longest free first, passing over those `reserved`. */
  allocate(
    count: number,
    handle: string,
    owners: Owners,
    reserved?: (ordinal: number) => boolean,
  ): Allocation[] {
    const taken: Allocation[] = [];
    for (let i = 0; i < this.#free.length && taken.length < count; ) {
      const ordinal = this.#free[i]!;
      if (reserved?.(ordinal)) {
        i++;
        continue;
      }
      this.#free.splice(i, 1);
      taken.push(this.#put(ordinal, handle, owners));
    }
    return taken;
  }

  /** Takes this very ordinal; undefined when it is not free. */
  assign(ordinal: number, handle: string, owners: Owners): Allocation | undefined {
    const i = this.#free.indexOf(ordinal);
    if (i < 0) return undefined;
    this.#free.splice(i, 1);
    return this.#put(ordinal, handle, owners);
  }

  #put(ordinal: number, handle: string, { active, alternate }: Owners): Allocation {
    this.#entries[ordinal] = entryOf(handle, active, alternate);
    this.#sequences[ordinal] = this.#sequence;
    this.changed = true;
    return this.at(ordinal)!;
  }

  /** Gives an allocated ordinal back: at once, or to rest for the cool-down time. */
  release(ordinal: number) {
    if (this.#options.cooldownSeconds > 0) this.#entries[ordinal] = { releasedAt: this.now.toISOString() };
    else {
      this.#entries[ordinal] = undefined;
      this.#free.push(ordinal);
    }
    delete this.#sequences[ordinal];
    this.changed = true;
  }

  /** Changes the owners of one ordinal only, even if it shared its attribute entry with others. */
  setOwners(ordinal: number, { active, alternate }: Owners) {
    const entry = this.#entries[ordinal];
    if (!entry) return;
    this.#entries[ordinal] = entryOf(entry.handle_id ?? undefined, active, alternate);
    this.changed = true;
  }

  setAffinity(affinity: string | null) {
    this.affinity = affinity;
    this.#claimTime = affinity === null ? null : this.now.toISOString();
    this.changed = true;
  }

  /** The block to be written: attribute entries without holes, one per allocation, the sequence number counted on. */
  finish(): IPAMBlockSpec {
    const attributes: BlockAttribute[] = [];
    const allocations = this.#entries.map((entry) => (entry ? attributes.push(entry) - 1 : null));
    const { affinity: _, affinityClaimTime: __, ...rest } = this.#spec;
    return {
      ...rest,
      ...(this.affinity === null ? {} : { affinity: this.affinity }),
      ...(this.#claimTime ? { affinityClaimTime: this.#claimTime } : {}),
      allocations,
      unallocated: this.#free,
      attributes,
      sequenceNumber: nextSequence(this.#sequence),
      sequenceNumberForAllocation: this.#sequences,
    };
  }
}

function entryOf(
  handle: string | undefined,
  active: Attributes | null,
  alternate: Attributes | null,
): BlockAttribute {
  return {
    ...(handle === undefined ? {} : { handle_id: handle }),
    ...(active ? { secondary: active } : {}),
    ...(alternate ? { alternateOwnerAttrs: alternate } : {}),
  };
}

/** A new block. Sequence numbers start at the time (here in microseconds), so that a re-created block never repeats one. */
export function emptyBlock(geometry: BlockGeometry, affinity: string | null, now: Date): IPAMBlockSpec {
  return {
    cidr: geometry.cidr,
    ...(affinity === null ? {} : { affinity, affinityClaimTime: now.toISOString() }),
    allocations: new Array<null>(geometry.size).fill(null),
    unallocated: Array.from({ length: geometry.size }, (_, ordinal) => ordinal),
    attributes: [],
    sequenceNumber: now.getTime() * 1000,
    sequenceNumberForAllocation: {},
    deleted: false,
  };
}
