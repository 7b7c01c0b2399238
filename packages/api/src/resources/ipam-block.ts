import { z } from "zod";
import { cidr, flag, int64, object, time } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const attributes = z.record(z.string(), z.string());

const allocation = object({
  handle_id: z.string().nullish(),
  /** The active owner. The key is the incumbent's old name for it. */
  secondary: attributes.nullish(),
  alternateOwnerAttrs: attributes.nullish(),
  /** Set while the address cools down after its release. */
  releasedAt: time.nullish(),
});

const spec = object({
  cidr,
  /** `host:<node>` or `virtual:<name>`. */
  affinity: z.string().nullish(),
  affinityClaimTime: time.nullish(),
  /** One entry per address: null, or an index into `attributes`. */
  allocations: z.array(z.int().min(0).nullable()),
  /** Free addresses by position in the block, first in first out. */
  unallocated: z.array(z.int().min(0)),
  attributes: z.array(allocation),
  /** Starts at the time in nanoseconds, grows with every write. */
  sequenceNumber: int64.optional(),
  /** Position → the block's `sequenceNumber` when it was allocated. */
  sequenceNumberForAllocation: z.record(z.string(), int64).nullish(),
  deleted: flag.default(false),
  /** Written by old versions, ignored. */
  strictAffinity: z.boolean().optional(),
});

/** One block of addresses and who has them. */
export interface IPAMBlock extends Resource<typeof spec> {}
/** Whose an address of a block is: its handle and the attributes of both owners. */
export type IPAMBlockAttributes = z.output<typeof allocation>;

export const IPAMBlock = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "IPAMBlock",
  plural: "ipamblocks",
  namespaced: false,
  description: "A block of addresses and who has them. Written by address management only.",
  spec,
});
