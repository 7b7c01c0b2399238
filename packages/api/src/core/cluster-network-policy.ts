import type { Condition, KubernetesObject } from "../object.ts";
import type { LabelSelector } from "./network-policy.ts";

/** policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy. Rules are tried in order; the first that matches decides. */
export interface ClusterNetworkPolicy extends KubernetesObject {
  spec: {
    tier: "Admin" | "Baseline";
    /** 0 to 1000, lower first. */
    priority: number;
    subject: ClusterNetworkPolicySubject;
    ingress?: ClusterNetworkPolicyRule<"from">[];
    egress?: ClusterNetworkPolicyRule<"to">[];
  };
  status?: { conditions?: Condition[] };
}

/** Exactly one of both. */
export interface ClusterNetworkPolicySubject {
  namespaces?: LabelSelector;
  pods?: { namespaceSelector: LabelSelector; podSelector: LabelSelector };
}

/** Exactly one field. `networks`, `nodes` and `domainNames` only in egress. */
export interface ClusterNetworkPolicyPeer extends ClusterNetworkPolicySubject {
  nodes?: LabelSelector;
  networks?: string[];
  domainNames?: string[];
}

/** One rule; `Direction` names the field of its peers: `from` of an ingress rule, `to` of an egress rule. */
export type ClusterNetworkPolicyRule<Direction extends "from" | "to"> = {
  name?: string;
  action: "Accept" | "Deny" | "Pass";
  protocols?: ClusterNetworkPolicyProtocol[];
} & { [direction in Direction]: ClusterNetworkPolicyPeer[] };

/** Exactly one field. */
export interface ClusterNetworkPolicyProtocol {
  tcp?: { destinationPort?: ClusterNetworkPolicyPort };
  udp?: { destinationPort?: ClusterNetworkPolicyPort };
  sctp?: { destinationPort?: ClusterNetworkPolicyPort };
  /** Name of a container port. */
  destinationNamedPort?: string;
}

/** A port or a range of ports, both ends included. */
export interface ClusterNetworkPolicyPort {
  number?: number;
  range?: { start: number; end: number };
}
