import { z } from "zod";
import { object, wrong } from "./fields.ts";
import { defineResource, type Resource } from "./resource.ts";
import { effectiveTypes, order, rules, types } from "./rule.ts";
import { selector } from "./selector-field.ts";

/** Fields that every policy of ours has. */
export const policyFields = {
  tier: z.string().default("default"),
  order,
  selector: selector.default("all()"),
  types: types.optional(),
  ingress: rules.optional(),
  egress: rules.optional(),
  serviceAccountSelector: selector.optional(),
  performanceHints: z.array(z.enum(["AssumeNeededOnEveryNode"])).optional(),
};

const spec = object(policyFields).transform((policy) => ({ ...policy, types: effectiveTypes(policy) }));

export const globalPolicyFields = {
  ...policyFields,
  namespaceSelector: selector.optional(),
  doNotTrack: z.boolean().default(false),
  preDNAT: z.boolean().default(false),
  applyOnForward: z.boolean().default(false),
};

interface HostOptions {
  readonly doNotTrack: boolean;
  readonly preDNAT: boolean;
  readonly applyOnForward: boolean;
  readonly egress?: unknown[] | undefined;
  readonly types?: string[] | undefined;
}

const globalSpec = object(globalPolicyFields)
  .refine(({ doNotTrack, preDNAT }: HostOptions) => !(doNotTrack && preDNAT), {
    path: ["preDNAT"],
    ...wrong("a policy is either untracked or before DNAT", "Set doNotTrack or preDNAT to false."),
  })
  .refine(
    ({ doNotTrack, preDNAT, applyOnForward }: HostOptions) => applyOnForward || (!doNotTrack && !preDNAT),
    {
      path: ["applyOnForward"],
      ...wrong("doNotTrack and preDNAT act on forwarded traffic too", "Set applyOnForward to true."),
    },
  )
  .refine(
    ({ preDNAT, egress, types }: HostOptions) =>
      !preDNAT || (egress === undefined && !(types ?? []).includes("Egress")),
    {
      path: ["egress"],
      ...wrong("before DNAT there is only ingress", "Remove the egress rules and the type Egress."),
    },
  )
  .transform((policy) => ({ ...policy, types: effectiveTypes(policy) }));

/** Policy of the endpoints of one namespace. */
export interface NetworkPolicy extends Resource<typeof spec> {}
/** Policy of endpoints anywhere, host endpoints included. */
export interface GlobalNetworkPolicy extends Resource<typeof globalSpec> {}

const columns = [
  { name: "Tier", type: "string", jsonPath: ".spec.tier" },
  { name: "Order", type: "number", jsonPath: ".spec.order" },
] as const;

export const NetworkPolicy = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "NetworkPolicy",
  plural: "networkpolicies",
  shortNames: ["cnetpol"],
  description: "Policy of the endpoints of one namespace.",
  spec,
  columns,
});

export const GlobalNetworkPolicy = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "GlobalNetworkPolicy",
  plural: "globalnetworkpolicies",
  shortNames: ["gnp", "cgnp"],
  namespaced: false,
  description: "Policy of endpoints in any namespace and of hosts.",
  spec: globalSpec,
  columns,
});
