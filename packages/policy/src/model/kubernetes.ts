import type { KubernetesNetworkPolicy, LabelSelector, Selector } from "@fairlead/api";
import { PolicyError } from "../error.ts";
import { stagedAs, takesPart } from "./calico.ts";
import {
  both,
  everything,
  inherited,
  inNamespace,
  inSomeNamespace,
  isPod,
  namedPort,
  selected,
} from "./member-set.ts";
import { anyPeer, type PeerModel, type PolicyModel, type PortMatch, type RuleModel } from "./policy.ts";

type Spec = KubernetesNetworkPolicy["spec"];
type Peer = NonNullable<NonNullable<NonNullable<Spec["ingress"]>[number]["from"]>[number]>;
type Port = NonNullable<NonNullable<Spec["ingress"]>[number]["ports"]>[number];

export const protocolNumbers = { TCP: 6, UDP: 17, SCTP: 132 } as const;

/** Tier and order that Kubernetes' policies have among the others. */
const place = { tier: "default", order: 1000 };

/** networking.k8s.io/v1: only allows; that a policy applies at all is what denies the rest. */
export function fromKubernetes(
  kind: "KubernetesNetworkPolicy" | "StagedKubernetesNetworkPolicy",
  object: { metadata: { namespace?: string; name: string }; spec: Partial<Spec> },
): PolicyModel {
  const { namespace = "default", name } = object.metadata;
  const { spec } = object;
  const { stagedAction } = spec as { readonly stagedAction?: string };
  const types = !takesPart(stagedAction)
    ? []
    : (spec.policyTypes ?? ["Ingress", ...(spec.egress === undefined ? [] : ["Egress"])]);
  return {
    key: `${kind}/${namespace}/${name}`,
    ...place,
    subject: both(isPod, inNamespace(namespace), fromLabelSelector(spec.podSelector ?? {})),
    directions: new Set([
      ...(types.includes("Ingress") ? (["ingress"] as const) : []),
      ...(types.includes("Egress") ? (["egress"] as const) : []),
    ]),
    ingress: (spec.ingress ?? []).flatMap(({ from, ports }) => rules(namespace, from, ports, "source")),
    egress: (spec.egress ?? []).flatMap(({ to, ports }) => rules(namespace, to, ports, "destination")),
    staged: kind === "StagedKubernetesNetworkPolicy" && stagedAs(stagedAction),
    doNotTrack: false,
    preDNAT: false,
    applyOnForward: false,
  };
}

/** One rule for each peer and protocol. No peers or no ports, absent or empty, means any. */
function rules(
  namespace: string,
  peers: readonly Peer[] | undefined,
  ports: readonly Port[] | undefined,
  side: "source" | "destination",
): RuleModel[] {
  const sides =
    peers === undefined || peers.length === 0 ? [anyPeer] : peers.map((peer) => fromPeer(namespace, peer));
  const groups = groupPorts(ports ?? []);
  return sides.flatMap((peer) =>
    groups.map(({ protocol, ports: matches }): RuleModel => {
      const withPorts = (other: PeerModel): PeerModel => {
        if (matches === undefined) return other;
        return { ...other, ports: matches.map((match) => portsAmong(match, other)) };
      };
      return {
        action: "Allow",
        protocol,
        source: side === "source" ? peer : anyPeer,
        destination: withPorts(side === "source" ? anyPeer : peer),
      };
    }),
  );
}

/** A named port is looked for where the rule leads, that is among the peers it names, or anywhere. */
function portsAmong(match: { name: string } | PortMatch, peer: PeerModel): PortMatch {
  if (!("name" in match)) return match;
  const among = peer.sets?.[0];
  return { named: namedPort(among?.of === "addresses" ? among.selector : isPod, match.name) };
}

interface PortGroup {
  readonly protocol?: number;
  /** Absent: all ports. */
  readonly ports?: ({ name: string } | PortMatch)[];
}

function groupPorts(ports: readonly Port[]): PortGroup[] {
  if (ports.length === 0) return [{}];
  const groups = new Map<number, PortGroup>();
  for (const { protocol = "TCP", port, endPort } of ports) {
    const number = protocolNumbers[protocol];
    if (number === undefined) throw invalid(`protocol ${JSON.stringify(protocol)}`, "use TCP, UDP or SCTP");
    const group = groups.get(number) ?? { protocol: number, ports: [] };
    if (port === undefined) groups.set(number, { protocol: number });
    else if (group.ports === undefined) continue;
    else {
      group.ports.push(typeof port === "string" ? { name: port } : { first: port, last: endPort ?? port });
      groups.set(number, group);
    }
  }
  return [...groups.values()];
}

function fromPeer(namespace: string, peer: Peer): PeerModel {
  if (peer.ipBlock !== undefined) return { nets: [peer.ipBlock.cidr], notNets: peer.ipBlock.except ?? [] };
  const where =
    peer.namespaceSelector === undefined
      ? inNamespace(namespace)
      : both(inSomeNamespace, fromLabelSelector(peer.namespaceSelector, inherited.namespace));
  return { sets: [selected(both(isPod, where, fromLabelSelector(peer.podSelector ?? {})))] };
}

/** A LabelSelector as a selector; `prefix` goes before each key. */
export function fromLabelSelector(selector: LabelSelector, prefix = ""): Selector {
  const tests: Selector[] = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => ({
    type: "equals",
    key: prefix + key,
    value,
  }));
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const label = prefix + key;
    if (operator === "In") tests.push({ type: "in", key: label, values });
    else if (operator === "NotIn") tests.push({ type: "notIn", key: label, values });
    else if (operator === "Exists") tests.push({ type: "has", key: label });
    else if (operator === "DoesNotExist") tests.push({ type: "not", operand: { type: "has", key: label } });
    else throw invalid(`operator ${JSON.stringify(operator)}`, "use In, NotIn, Exists or DoesNotExist");
  }
  return tests.length === 0 ? everything : both(...tests);
}

function invalid(what: string, advice: string): PolicyError {
  return new PolicyError("InvalidObject", `A rule has an unknown ${what}; ${advice}.`);
}
