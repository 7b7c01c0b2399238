import { z } from "zod";
import { object } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";
import { rules } from "./rule.ts";

const spec = object({
  ingress: rules.optional(),
  egress: rules.optional(),
  labelsToApply: z.record(z.string(), z.string()).optional(),
});

/** Rules for what no policy applies to, and labels that its endpoints inherit. */
export interface Profile extends Resource<typeof spec> {}

export const Profile = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "Profile",
  plural: "profiles",
  namespaced: false,
  description: "Rules for endpoints to which no policy applies, and labels they inherit.",
  spec,
});
