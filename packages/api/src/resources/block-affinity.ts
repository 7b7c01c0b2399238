import { z } from "zod";
import { cidr, flag, object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({
  /** "" is what old versions wrote for confirmed. */
  state: z.enum(["pending", "confirmed", "pendingDeletion", ""]),
  node: z.string(),
  /** "" means host. */
  type: z.enum(["host", "virtual", ""]).default(""),
  cidr,
  deleted: flag.default(false),
});

/** The claim of a node on a block. */
export interface BlockAffinity extends Resource<typeof spec> {}

export const BlockAffinity = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "BlockAffinity",
  plural: "blockaffinities",
  namespaced: false,
  description: "The claim of a node on a block of addresses. Written by address management only.",
  spec,
});
