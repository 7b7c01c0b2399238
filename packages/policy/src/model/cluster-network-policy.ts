import type { ClusterNetworkPolicy, Selector } from "@fairlead/api";
import { PolicyError } from "../error.ts";
import { fromLabelSelector } from "./kubernetes.ts";
import { both, inherited, inSomeNamespace, isPod, namedPort, selected } from "./member-set.ts";
import { anyPeer, type PeerModel, type PolicyModel, type PortMatch, type RuleModel } from "./policy.ts";

type Spec = ClusterNetworkPolicy["spec"];
type IngressRule = NonNullable<Spec["ingress"]>[number];
type EgressRule = NonNullable<Spec["egress"]>[number];
type Subject = Spec["subject"];
type AnyPeer = EgressRule["to"][number];
type AnyProtocol = NonNullable<EgressRule["protocols"]>[number];

const tiers = { Admin: "kube-admin", Baseline: "kube-baseline" } as const;
const actions = { Accept: "Allow", Deny: "Deny", Pass: "Pass" } as const;
const everythingDenied: RuleModel = { action: "Deny", source: anyPeer, destination: anyPeer };

/** policy.networking.k8s.io/v1alpha2. What cannot be understood never becomes an allowance. */
export function fromClusterNetworkPolicy(object: { metadata: { name: string }; spec: Spec }): PolicyModel {
  const { spec } = object;
  return {
    key: `ClusterNetworkPolicy/${object.metadata.name}`,
    tier: tiers[spec.tier],
    order: spec.priority,
    subject: subject(spec.subject),
    directions: new Set([
      ...(spec.ingress?.length ? (["ingress"] as const) : []),
      ...(spec.egress?.length ? (["egress"] as const) : []),
    ]),
    ingress: (spec.ingress ?? []).flatMap((rule) => guarded(rule, rule.from, "source")),
    egress: (spec.egress ?? []).flatMap((rule) => guarded(rule, rule.to, "destination")),
    staged: false,
    doNotTrack: false,
    preDNAT: false,
    applyOnForward: false,
  };
}

/** A rule that cannot be understood: an allowance is skipped, anything else denies everything. */
function guarded(
  rule: IngressRule | EgressRule,
  peers: readonly AnyPeer[],
  side: "source" | "destination",
): readonly RuleModel[] {
  try {
    return peers.flatMap((peer) => rules(rule, fromPeer(peer), side));
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return rule.action === "Accept" ? [] : [everythingDenied];
  }
}

function rules(rule: IngressRule | EgressRule, peer: PeerModel, side: "source" | "destination"): RuleModel[] {
  const source = side === "source" ? peer : anyPeer;
  const destination = side === "source" ? anyPeer : peer;
  const action = actions[rule.action];
  if (action === undefined) throw new PolicyError("InvalidObject", `Unknown action ${rule.action}.`);
  if (rule.protocols === undefined || rule.protocols.length === 0) return [{ action, source, destination }];
  return rule.protocols.flatMap((protocol) =>
    fromProtocol(protocol, destination).map(({ number, ports }): RuleModel => {
      return {
        action,
        protocol: number,
        source,
        destination: ports ? { ...destination, ports: [ports] } : destination,
      };
    }),
  );
}

const numbers = { tcp: 6, udp: 17, sctp: 132 } as const;

function fromProtocol(
  protocol: AnyProtocol,
  destination: PeerModel,
): { number: number; ports?: PortMatch }[] {
  const name = protocol.destinationNamedPort;
  if (name !== undefined) {
    const among = destination.sets?.[0];
    const named = namedPort(among?.of === "addresses" ? among.selector : isPod, name);
    return Object.values(numbers).map((number) => ({ number, ports: { named } }));
  }
  for (const key of ["tcp", "udp", "sctp"] as const) {
    const match = protocol[key];
    if (match === undefined) continue;
    const port = match.destinationPort;
    if (port === undefined) return [{ number: numbers[key] }];
    if (port.number !== undefined)
      return [{ number: numbers[key], ports: { first: port.number, last: port.number } }];
    if (port.range !== undefined) {
      return [{ number: numbers[key], ports: { first: port.range.start, last: port.range.end } }];
    }
  }
  throw new PolicyError("InvalidObject", "A rule names a protocol this version does not know.");
}

function fromPeer(peer: AnyPeer): PeerModel {
  if (peer.networks !== undefined) return { nets: peer.networks };
  if (peer.namespaces !== undefined || peer.pods !== undefined) return { sets: [selected(subject(peer))] };
  throw new PolicyError("InvalidObject", "A rule names a peer this version does not know.");
}

function subject({ namespaces, pods }: Subject): Selector {
  const where = fromLabelSelector(pods?.namespaceSelector ?? namespaces ?? {}, inherited.namespace);
  return both(
    isPod,
    inSomeNamespace,
    where,
    pods === undefined ? undefined : fromLabelSelector(pods.podSelector),
  );
}
