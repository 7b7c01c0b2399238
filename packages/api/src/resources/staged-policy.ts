import { z } from "zod";
import { object } from "./fields.ts";
import { globalPolicyFields, policyFields } from "./network-policy.ts";
import { defineResource, type Resource } from "./resource.ts";
import { effectiveTypes } from "./rule.ts";

const stagedAction = z.enum(["Set", "Delete", "Learn", "Ignore"]).default("Set");

const spec = object({ ...policyFields, stagedAction }).transform((policy) => ({
  ...policy,
  types: effectiveTypes(policy),
}));

const globalSpec = object({ ...globalPolicyFields, stagedAction }).transform((policy) => ({
  ...policy,
  types: effectiveTypes(policy),
}));

const labelSelector = object({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z
    .array(
      object({
        key: z.string(),
        operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
        values: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});

const peer = object({
  podSelector: labelSelector.optional(),
  namespaceSelector: labelSelector.optional(),
  ipBlock: object({ cidr: z.string(), except: z.array(z.string()).optional() }).optional(),
});

const ports = z.array(
  object({
    protocol: z.enum(["TCP", "UDP", "SCTP"]).optional(),
    port: z.union([z.int(), z.string()]).meta({ "x-kubernetes-int-or-string": true }).optional(),
    endPort: z.int().optional(),
  }),
);

const kubernetesSpec = object({
  stagedAction,
  podSelector: labelSelector.optional(),
  policyTypes: z.array(z.enum(["Ingress", "Egress"])).optional(),
  ingress: z.array(object({ from: z.array(peer).optional(), ports: ports.optional() })).optional(),
  egress: z.array(object({ to: z.array(peer).optional(), ports: ports.optional() })).optional(),
});

/** A policy that is calculated and reported, and not enforced. */
export interface StagedNetworkPolicy extends Resource<typeof spec> {}
export interface StagedGlobalNetworkPolicy extends Resource<typeof globalSpec> {}
export interface StagedKubernetesNetworkPolicy extends Resource<typeof kubernetesSpec> {}

export const StagedNetworkPolicy = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "StagedNetworkPolicy",
  plural: "stagednetworkpolicies",
  shortNames: ["snp"],
  description: "A NetworkPolicy that is reported and not enforced.",
  spec,
});

export const StagedGlobalNetworkPolicy = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "StagedGlobalNetworkPolicy",
  plural: "stagedglobalnetworkpolicies",
  shortNames: ["sgnp"],
  namespaced: false,
  description: "A GlobalNetworkPolicy that is reported and not enforced.",
  spec: globalSpec,
});

export const StagedKubernetesNetworkPolicy = defineResource({
  group: "projectcalico.org",
  version: "v3",
  kind: "StagedKubernetesNetworkPolicy",
  plural: "stagedkubernetesnetworkpolicies",
  shortNames: ["sknp"],
  description: "A Kubernetes NetworkPolicy that is reported and not enforced.",
  spec: kubernetesSpec,
});
