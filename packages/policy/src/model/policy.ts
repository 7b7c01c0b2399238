import type { Selector } from "@fairlead/api";
import type { Action } from "../packet.ts";

export type Direction = "ingress" | "egress";

/** A policy of any kind, in the one form that calculation, rules and explanations use. */
export interface PolicyModel {
  /** `Kind/namespace/name` or `Kind/name`. */
  readonly key: string;
  readonly tier: string;
  /** Lower first; Infinity when the object gives none. */
  readonly order: number;
  /** Over an endpoint's labels, the inherited ones included. */
  readonly subject: Selector;
  readonly directions: ReadonlySet<Direction>;
  readonly ingress: readonly RuleModel[];
  readonly egress: readonly RuleModel[];
  /** Calculated and explained, never enforced: what putting it in force would do to the policy of its name. */
  readonly staged: false | "Set" | "Delete";
  readonly doNotTrack: boolean;
  readonly preDNAT: boolean;
  readonly applyOnForward: boolean;
}

/** All parts that are present must match. */
export interface RuleModel {
  readonly action: Action;
  readonly family?: 4 | 6 | undefined;
  readonly protocol?: number | undefined;
  readonly notProtocol?: number | undefined;
  readonly icmp?: IcmpMatch | undefined;
  readonly notIcmp?: IcmpMatch | undefined;
  readonly source: PeerModel;
  readonly destination: PeerModel;
}

export interface IcmpMatch {
  readonly type?: number | undefined;
  readonly code?: number | undefined;
}

/** Empty is not absent: `nets: []` matches nothing, no `nets` matches everything. */
export interface PeerModel {
  readonly nets?: readonly string[] | undefined;
  readonly notNets?: readonly string[] | undefined;
  /** In every one of these sets. */
  readonly sets?: readonly MemberSet[] | undefined;
  /** In none of these. */
  readonly notSets?: readonly MemberSet[] | undefined;
  readonly ports?: readonly PortMatch[] | undefined;
  readonly notPorts?: readonly PortMatch[] | undefined;
}

export type PortMatch =
  | { readonly first: number; readonly last: number }
  /** Addresses together with the number the name stands for there. */
  | { readonly named: MemberSet };

/** What makes up a set. Equal `key` means equal members. */
export type MemberSet =
  | { readonly of: "addresses"; readonly key: string; readonly selector: Selector }
  | { readonly of: "ports"; readonly key: string; readonly selector: Selector; readonly name: string }
  | { readonly of: "service"; readonly key: string; readonly namespace: string; readonly name: string };

export interface TierModel {
  readonly name: string;
  readonly order: number;
  readonly defaultAction: "Deny" | "Pass";
}

export const anyPeer: PeerModel = {};

/** The one family a rule can match, if there is only one: its own, or that of its ICMP. */
export function familyOfRule({ family, protocol }: RuleModel): 4 | 6 | undefined {
  if (family !== undefined) return family;
  if (protocol === 1) return 4;
  return protocol === 58 ? 6 : undefined;
}

const protocolsWithPorts: ReadonlySet<number> = new Set([6, 17, 132, 136]);

/** A rule with ports and without a protocol that has them matches nothing; the API refuses such rules. */
export function portsMakeSense({ protocol, source, destination }: RuleModel): boolean {
  const usesPorts = [source, destination].some(
    ({ ports, notPorts }) => ports !== undefined || notPorts?.length,
  );
  return !usesPorts || (protocol !== undefined && protocolsWithPorts.has(protocol));
}
