import { z } from "zod";
import { cidr, flag, object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({
  handleID: z.string(),
  /** Block CIDR → how many of its addresses the handle has. */
  block: z.record(cidr, z.int().min(0)),
  deleted: flag.default(false),
});

/** Which blocks hold the addresses of one owner. Named by the lower-cased handle ID. */
export interface IPAMHandle extends Resource<typeof spec> {}

export const IPAMHandle = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "IPAMHandle",
  plural: "ipamhandles",
  namespaced: false,
  description: "Where the addresses of one owner are. Written by address management only.",
  spec,
});
