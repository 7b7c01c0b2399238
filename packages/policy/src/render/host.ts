import type { Calculator } from "../calc/calculator.ts";
import { endsByDefault, type HostInterface, type Layer } from "../host/host-endpoint.ts";
import type { Direction } from "../model/policy.ts";
import { bounds } from "../ruleset/network.ts";
import type { BaseHook, Chain, Hook, Rule } from "../ruleset/ruleset.ts";
import {
  accept,
  conntrack,
  drop,
  fromWorkload,
  goto,
  inSet,
  ipv6,
  jump,
  protocol,
  toWorkload,
  when,
} from "../ruleset/statement.ts";
import { familyOf, host32, interfaceName, u8, u16 } from "../ruleset/value.ts";
import type { FailsafePort, PolicySettings } from "../settings.ts";
import { comment, hashed, regularChain, sets } from "./names.ts";
import { firstReply, midstream, renderReply } from "./reply.ts";
import { type RuleSets, untrackedMark } from "./rule.ts";
import { denied, policyChain, renderTiers } from "./tier.ts";

/** A place where packets of host interfaces are judged. */
interface Stage {
  readonly name: string;
  readonly hook: Hook;
  readonly priority: number;
  readonly layer: Layer;
  readonly direction: Direction;
}

/**
 * Connections are tracked at -200 and destinations translated at -100. Policies of workloads hang at -300, 0 and 1; whoever comes
 * later has to agree as well.
 */
const stages: readonly Stage[] = [
  { name: "host-untracked-in", hook: "prerouting", priority: -299, layer: "untracked", direction: "ingress" },
  { name: "host-untracked-out", hook: "output", priority: -299, layer: "untracked", direction: "egress" },
  { name: "host-before-dnat", hook: "prerouting", priority: -150, layer: "preDNAT", direction: "ingress" },
  { name: "host-in", hook: "input", priority: 2, layer: "normal", direction: "ingress" },
  { name: "host-out", hook: "output", priority: 2, layer: "normal", direction: "egress" },
  { name: "host-forward-in", hook: "forward", priority: 2, layer: "forward", direction: "ingress" },
  { name: "host-forward-out", hook: "forward", priority: 3, layer: "forward", direction: "egress" },
];

/** Multicast listeners, routers and neighbours (RFC 4861, 2710, 3810): without them there is no link. Redirects are not among them. */
export const linkTypes = [130, 131, 132, 133, 134, 135, 136, 143];
const link = linkTypes.map((type): Rule => [ipv6, protocol("icmpv6"), when("icmpv6 type", u8(type)), accept]);

/** What the chains of host endpoints are made from. */
export interface HostRendering {
  readonly calculator: Calculator;
  readonly settings: PolicySettings;
  /** Sets for the rules of a chain, while workloads arrive with connections; `undefined` at other times. */
  readonly arrivals?: ((chain: string) => RuleSets) | undefined;
}

/** Every chain that this node's host endpoints need; none without host endpoints, so that nobody pays for them. */
export function renderHosts(rendering: HostRendering): Chain[] {
  return stages.flatMap((stage) => renderStage(stage, rendering));
}

function renderStage(stage: Stage, rendering: HostRendering): Chain[] {
  const { calculator, settings } = rendering;
  const { name, hook, priority, layer, direction } = stage;
  const field = direction === "ingress" ? "iifname" : "oifname";
  const hosts = onePerInterface(calculator.hosts.values());
  const chains: Chain[] = [];
  const ways = hosts.map((host): [HostInterface, Rule | undefined] => {
    const own = judged(host, stage, calculator) ? renderHost(host, stage, rendering) : [];
    chains.push(...own);
    const [first] = own;
    return [host, first && [goto(first.name)]];
  });
  if (chains.length === 0) return [];
  const everywhere = ways.find(([host]) => host.interfaceName === "*")?.[1];
  const workload = direction === "ingress" ? fromWorkload : toWorkload;
  const rules: Rule[] = [
    ...(layer === "untracked" ? [[{ is: "mark", mask: untrackedMark(settings), value: 0 } as const]] : []),
    ...ways
      .filter(([host]) => host.interfaceName !== "*")
      .map(([host, way]): Rule => [when(field, interfaceName(host.interfaceName)), ...(way ?? [accept])]),
  ];
  if (everywhere !== undefined) {
    rules.push(
      ...settings.interfacePrefixes.map((prefix): Rule => [workload(prefix), accept]),
      [when(field, interfaceName("lo")), accept],
      everywhere,
    );
  }
  const base: BaseHook = { type: "filter", hook, priority, policy: "accept" };
  return [...chains, { name, base, rules }];
}

/** Of several host endpoints for one interface the first by name counts. */
function onePerInterface(hosts: Iterable<HostInterface>): HostInterface[] {
  const found = new Map<string, HostInterface>();
  for (const host of [...hosts].sort((a, b) => (a.id < b.id ? -1 : 1)))
    if (!found.has(host.interfaceName)) found.set(host.interfaceName, host);
  return [...found.values()];
}

/** A host endpoint judges its own traffic always, other traffic where it has policies for that. */
export function judged(
  host: HostInterface,
  { layer, direction }: Pick<Stage, "layer" | "direction">,
  calculator: Calculator,
): boolean {
  if (layer === "normal") return true;
  return calculator
    .tiersOf(host.id, direction, layer)
    .some(({ policies }) => policies.some(({ staged }) => !staged));
}

/** The chain of a host endpoint at a stage, then those it leads to. */
function renderHost(
  host: HostInterface,
  { name: stage, layer, direction }: Stage,
  { calculator, settings, arrivals }: HostRendering,
): Chain[] {
  const name = hashed("host", `${stage} ${host.id}`);
  const tiers = calculator.tiersOf(host.id, direction, layer);
  const { rules, chains } = renderTiers(name, tiers, direction, settings, { open: !endsByDefault(layer) });
  const own: Rule[] = [];
  if (endsByDefault(layer)) {
    const bit = host32(untrackedMark(settings));
    own.push([{ is: "mask", field: "mark", mask: bit, op: "==", value: bit }, accept]);
  }
  if (layer !== "untracked") own.push([conntrack("established", "related"), accept]);
  if (layer === "normal" && !settings.disableConntrackInvalidCheck) own.push([conntrack("invalid"), drop]);
  own.push(...link);
  if (layer !== "forward") own.push(...failsafes(direction, layer, settings));
  if (layer === "forward" && arrivals !== undefined) {
    const opposite = direction === "ingress" ? "egress" : "ingress";
    const tiersOfAnswered = calculator.tiersOf(host.id, opposite, layer);
    const regular = regularChain(name);
    own.push(
      [
        inSet([direction === "ingress" ? "oifname" : "iifname"], sets.arriving),
        ...midstream,
        goto(firstReply(name)),
      ],
      [goto(regular)],
    );
    chains.push({ name: regular, comment: comment(host.id), rules });
    chains.push(...renderReply(name, tiersOfAnswered, opposite, arrivals, settings, regular));
  } else own.push(...rules);
  if (layer === "normal") {
    own.push(
      ...calculator.profilesOf(host).map(({ key }): Rule => [jump(policyChain(key, direction))]),
      denied(settings),
    );
  }
  return [{ name, comment: comment(host.id), rules: own }, ...chains];
}

/** Untracked, the answers on these ports are not known as answers, so they are let through by their source port. */
function failsafes(direction: Direction, layer: Layer, settings: PolicySettings): Rule[] {
  const { failsafeInbound, failsafeOutbound } = settings;
  const [asked, answered] =
    direction === "ingress" ? [failsafeInbound, failsafeOutbound] : [failsafeOutbound, failsafeInbound];
  return [
    ...asked.map((port) => failsafe(port, "dport", direction)),
    ...(layer === "untracked" ? answered.map((port) => failsafe(port, "sport", direction)) : []),
  ];
}

function failsafe(
  { protocol: name, port, net }: FailsafePort,
  field: "sport" | "dport",
  direction: Direction,
): Rule {
  const rule = [protocol(name), when(field, u16(port))];
  if (net === undefined) return [...rule, accept];
  const [from, to] = bounds(net);
  const six = familyOf(net) === 6;
  const side = direction === "ingress" ? "saddr" : "daddr";
  const family = when("nfproto", u8(six ? 10 : 2));
  return [
    family,
    ...rule,
    { is: "range", field: six ? `ip6 ${side}` : `ip ${side}`, from, to, not: false },
    accept,
  ];
}
