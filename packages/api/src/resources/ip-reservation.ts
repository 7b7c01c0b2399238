import { z } from "zod";
import { network, object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({ reservedCIDRs: z.array(network).default([]) });

/** Addresses that automatic assignment skips. An explicit request still gets them. */
export interface IPReservation extends Resource<typeof spec> {}

export const IPReservation = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "IPReservation",
  plural: "ipreservations",
  namespaced: false,
  description: "Addresses that automatic assignment leaves alone.",
  spec,
});
