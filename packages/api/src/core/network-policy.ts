import type { KubernetesObject } from "../object.ts";

/** Kubernetes label selector. `{}` selects everything; where a selector is absent is for its owner to define. */
export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: LabelSelectorRequirement[];
}

/** One expression of a LabelSelector. `values` only with `In` and `NotIn`. */
export interface LabelSelectorRequirement {
  key: string;
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  values?: string[];
}

/** networking.k8s.io/v1 NetworkPolicy. */
export interface KubernetesNetworkPolicy extends KubernetesObject {
  spec: {
    podSelector: LabelSelector;
    policyTypes?: ("Ingress" | "Egress")[];
    ingress?: { from?: KubernetesNetworkPolicyPeer[]; ports?: KubernetesNetworkPolicyPort[] }[];
    egress?: { to?: KubernetesNetworkPolicyPeer[]; ports?: KubernetesNetworkPolicyPort[] }[];
  };
}

/** Whom a rule is about: pods (both selectors together), or addresses. */
export interface KubernetesNetworkPolicyPeer {
  podSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  ipBlock?: { cidr: string; except?: string[] };
}

/** A port, a range of ports, or a protocol as a whole. */
export interface KubernetesNetworkPolicyPort {
  protocol?: "TCP" | "UDP" | "SCTP";
  /** A number, or the name of a container port. Absent: all ports. */
  port?: number | string;
  /** Last port of a range that starts at `port`. */
  endPort?: number;
}
