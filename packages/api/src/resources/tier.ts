import { z } from "zod";
import { object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";

const spec = object({
  /** Lower first. Absent comes last. */
  order: z.number().optional(),
  /** What happens to traffic that a policy of the tier applied to and no rule matched. */
  defaultAction: z.enum(["Deny", "Pass"]).default("Deny"),
});

/** A group of policies that is decided before the next one. */
export interface Tier extends Resource<typeof spec> {}

export const Tier = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "Tier",
  plural: "tiers",
  namespaced: false,
  description: "A group of policies that is decided before the next one.",
  spec,
  columns: [
    { name: "Order", type: "number", jsonPath: ".spec.order" },
    { name: "Default", type: "string", jsonPath: ".spec.defaultAction" },
  ],
});

/** Tiers that exist in every cluster, whether or not an object says so. */
export const builtInTiers = {
  "kube-admin": { order: 1_000, defaultAction: "Pass" },
  default: { order: 1_000_000, defaultAction: "Deny" },
  "kube-baseline": { order: 10_000_000, defaultAction: "Pass" },
} as const;
