import { type EntityRule, parseSelector, protocolNumbers, type Rule, type Selector } from "@fairlead/api";
import type { PolicyKind } from "../engine.ts";
import {
  both,
  everything,
  inherited,
  inNamespace,
  inSomeNamespace,
  labelKeys,
  namedPort,
  namespaces,
  onInherited,
  selected,
  service,
} from "./member-set.ts";
import type { Direction, PeerModel, PolicyModel, PortMatch, RuleModel } from "./policy.ts";

/** The fields of the four kinds projectcalico.org/v3 has for policies, after defaults. */
export interface CalicoPolicy {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
  readonly spec: {
    readonly tier: string;
    readonly order?: number | undefined;
    readonly selector: string;
    readonly namespaceSelector?: string | undefined;
    readonly serviceAccountSelector?: string | undefined;
    readonly types: readonly ("Ingress" | "Egress")[];
    readonly ingress?: readonly Rule[] | undefined;
    readonly egress?: readonly Rule[] | undefined;
    readonly doNotTrack?: boolean;
    readonly preDNAT?: boolean;
    readonly applyOnForward?: boolean;
    readonly stagedAction?: string;
  };
}

export function fromCalico(kind: PolicyKind, { metadata, spec }: CalicoPolicy): PolicyModel {
  const { namespace } = metadata;
  const directions = new Set<Direction>();
  if (takesPart(spec.stagedAction)) {
    if (spec.types.includes("Ingress")) directions.add("ingress");
    if (spec.types.includes("Egress")) directions.add("egress");
  }
  return {
    key: namespace === undefined ? `${kind}/${metadata.name}` : `${kind}/${namespace}/${metadata.name}`,
    tier: spec.tier,
    order: spec.order ?? Number.POSITIVE_INFINITY,
    subject: both(
      namespace === undefined ? undefined : inNamespace(namespace),
      globalSubject(spec),
      spec.serviceAccountSelector
        ? onInherited(parse(spec.serviceAccountSelector), inherited.serviceAccount)
        : undefined,
    ),
    directions,
    ingress: (spec.ingress ?? []).map((rule) => fromRule(rule, namespace)),
    egress: (spec.egress ?? []).map((rule) => fromRule(rule, namespace)),
    staged: kind.startsWith("Staged") && stagedAs(spec.stagedAction),
    doNotTrack: spec.doNotTrack ?? false,
    preDNAT: spec.preDNAT ?? false,
    applyOnForward: spec.applyOnForward ?? false,
  };
}

/** Learn and Ignore put nothing in force; such an object has no directions. */
export const stagedAs = (action: string | undefined): "Set" | "Delete" =>
  action === "Delete" ? "Delete" : "Set";
export const takesPart = (action: string | undefined): boolean => action !== "Learn" && action !== "Ignore";

/** What a policy selects in whatever namespace; a selector that is empty selects all. */
export function globalSubject(spec: Pick<CalicoPolicy["spec"], "selector" | "namespaceSelector">): Selector {
  const { selector, namespaceSelector } = spec;
  return both(parse(selector), namespaceSelector ? namespaces(parse(namespaceSelector)) : undefined);
}

/**
 * What of these rules is not enforced, for the operator. A packet filter does not see requests, so a rule that allows some of them allows
 * nothing: allowing all would be more than was asked for.
 */
export function unenforced(spec: {
  readonly ingress?: readonly Rule[] | undefined;
  readonly egress?: readonly Rule[] | undefined;
}): string | undefined {
  const places = (["ingress", "egress"] as const).flatMap((direction) =>
    (spec[direction] ?? []).flatMap(({ http }, index) => (http ? [`spec.${direction}[${index}].http`] : [])),
  );
  if (places.length === 0) return undefined;
  return `HTTP matches are not enforced, so these rules allow nothing: ${places.join(", ")}. Take them out, or allow by port.`;
}

const nobody: PeerModel = { nets: [] };

export function fromRule(rule: Rule, namespace: string | undefined): RuleModel {
  return {
    action: rule.action,
    family: rule.ipVersion,
    protocol: toNumber(rule.protocol),
    notProtocol: toNumber(rule.notProtocol),
    icmp: rule.icmp,
    notIcmp: rule.notICMP,
    source: rule.http === undefined ? fromEntity(rule.source, namespace) : nobody,
    destination: fromEntity(rule.destination, namespace),
  };
}

function toNumber(protocol: Rule["protocol"]): number | undefined {
  return typeof protocol === "string" ? protocolNumbers[protocol] : protocol;
}

function fromEntity(entity: EntityRule | undefined, namespace: string | undefined): PeerModel {
  if (entity === undefined) return {};
  const selector = peerSelector(entity, namespace);
  const { services, notSelector } = entity;
  const sets = [
    ...(selector === undefined ? [] : [selected(selector)]),
    ...(services === undefined ? [] : [service(services.namespace ?? namespace ?? "default", services.name)]),
  ];
  const ports = (list: EntityRule["ports"]) => list?.map((port) => fromPort(port, selector));
  return {
    nets: entity.nets?.length ? entity.nets : undefined,
    notNets: entity.notNets,
    sets: sets.length > 0 ? sets : undefined,
    notSets: notSelector === undefined ? undefined : [selected(parse(notSelector))],
    ports: entity.ports?.length ? ports(entity.ports) : undefined,
    notPorts: ports(entity.notPorts),
  };
}

/** Without a namespace selector, a peer of a namespaced policy is in the policy's namespace. */
function peerSelector(entity: EntityRule, namespace: string | undefined): Selector | undefined {
  const { selector, namespaceSelector, serviceAccounts } = entity;
  if (!selector && !namespaceSelector && serviceAccounts === undefined) return undefined;
  const where = namespaceSelector
    ? namespaces(parse(namespaceSelector))
    : namespace === undefined
      ? undefined
      : inNamespace(namespace);
  return both(where, selector ? parse(selector) : undefined, accounts(serviceAccounts));
}

function accounts(match: EntityRule["serviceAccounts"]): Selector | undefined {
  if (match === undefined) return undefined;
  const names = match.names?.length
    ? ({ type: "in", key: labelKeys.serviceAccount, values: match.names } as const)
    : undefined;
  const labels = match.selector ? onInherited(parse(match.selector), inherited.serviceAccount) : undefined;
  // An account match without any condition still asks for an account.
  return names === undefined && labels === undefined ? inSomeNamespace : both(names, labels);
}

function fromPort(port: number | string, selector: Selector | undefined): PortMatch {
  if (typeof port === "number") return { first: port, last: port };
  const range = /^(\d+):(\d+)$/.exec(port);
  if (range !== null) return { first: Number(range[1]), last: Number(range[2]) };
  if (/^\d+$/.test(port)) return { first: Number(port), last: Number(port) };
  return { named: namedPort(selector ?? everything, port) };
}

function parse(text: string): Selector {
  return text.trim() === "" ? everything : parseSelector(text);
}
