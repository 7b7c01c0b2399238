import {
  familyOfRule,
  type IcmpMatch,
  type MemberSet,
  type PeerModel,
  type PortMatch,
  portsMakeSense,
  type RuleModel,
} from "../model/policy.ts";
import type { Field } from "../ruleset/field.ts";
import { mergeNetworks } from "../ruleset/network.ts";
import type { Element, NftSet, Rule, Statement } from "../ruleset/ruleset.ts";
import { accept, drop, inSet, ipv4, ipv6, notInSet, when } from "../ruleset/statement.ts";
import { type Family, familyOf, u8, u16 } from "../ruleset/value.ts";
import type { PolicySettings } from "../settings.ts";
import { hashed } from "./names.ts";

/** What rules look into: sets whose content is their name, and sets whose members come and go. */
export interface RuleSets {
  /** A set that never changes, named after its content. */
  constant(set: NftSet, elements: readonly Element[]): void;
  /** Whether the set has networks besides addresses; they are kept apart. */
  hasNets(set: MemberSet): boolean;
}

export interface RenderOptions {
  readonly settings: PolicySettings;
  /** Exchanges source and destination: the rules then match the answers to what they are about. */
  readonly reverse?: boolean;
  /** What is allowed is exempt from connection tracking. */
  readonly untracked?: boolean;
}

interface Side {
  readonly address: Record<Family, Field>;
  readonly port: Field;
}

const sourceSide: Side = { address: { 4: "ip saddr", 6: "ip6 saddr" }, port: "sport" };
const destinationSide: Side = { address: { 4: "ip daddr", 6: "ip6 daddr" }, port: "dport" };

/** Ways to satisfy one condition; each is a list of statements that must all match. */
export type Alternatives = readonly (readonly Statement[])[];

const always: Alternatives = [[]];
const never: Alternatives = [];

/** The rules that do in the kernel what `ruleMatches` decides, followed by the rule's action. */
export function renderRule(rule: RuleModel, sets: RuleSets, options: RenderOptions): Rule[] {
  const actions = actionStatements(rule, options);
  return renderMatches(rule, sets, options).map((matches): Rule => [...matches, ...actions]);
}

/** The conditions of a rule without its action: every way to satisfy them. */
export function renderMatches(rule: RuleModel, sets: RuleSets, options: RenderOptions): Alternatives {
  return familiesOf(rule).flatMap((family) => {
    const conditions = [
      ...(family === undefined ? [] : [[[family === 4 ? ipv4 : ipv6]]]),
      protocolOf(rule),
      icmp(rule, family),
      peer(rule.source, options.reverse ? destinationSide : sourceSide, family, sets, false),
      peer(rule.destination, options.reverse ? sourceSide : destinationSide, family, sets, true),
    ];
    return combine(conditions);
  });
}

/** The bit of the packet mark that says: this tier is passed. */
export const passMark = (settings: PolicySettings): number => lowestBit(settings.markMask);

const lowestBit = (mask: number) => (mask & -mask) >>> 0;

/** The bit that says: allowed by a policy that does not track, and by no connection. */
export const untrackedMark = (settings: PolicySettings): number =>
  lowestBit(settings.markMask & ~passMark(settings));

function actionStatements(
  rule: RuleModel,
  { settings, untracked = false }: RenderOptions,
): readonly Statement[] {
  switch (rule.action) {
    case "Allow": {
      if (!untracked) return [accept];
      const bit = untrackedMark(settings);
      return [{ is: "mark", mask: bit, value: bit }, { is: "notrack" }, accept];
    }
    case "Deny":
      return [settings.denyAction === "Reject" ? { is: "reject" } : drop];
    case "Log":
      return [{ is: "log", prefix: `${settings.logPrefix}: ` }];
    case "Pass": {
      const bit = passMark(settings);
      return [
        { is: "mark", mask: bit, value: bit },
        { is: "verdict", verdict: "return" },
      ];
    }
  }
}

/** `undefined` stands for both families in one rule, which is possible when nothing in it depends on addresses. */
function familiesOf(rule: RuleModel): readonly (Family | undefined)[] {
  if (!portsMakeSense(rule)) return [];
  const only = familyOfRule(rule);
  if (only !== undefined) return [only];
  const usesAddresses = [rule.source, rule.destination].some(
    (side) =>
      side.nets !== undefined ||
      (side.notNets?.length ?? 0) > 0 ||
      side.sets !== undefined ||
      (side.notSets?.length ?? 0) > 0 ||
      [...(side.ports ?? []), ...(side.notPorts ?? [])].some((port) => "named" in port),
  );
  return usesAddresses || rule.icmp !== undefined || rule.notIcmp !== undefined ? [4, 6] : [undefined];
}

function protocolOf({ protocol, notProtocol }: RuleModel): Alternatives {
  return [
    [
      ...(protocol === undefined ? [] : [when("l4proto", u8(protocol))]),
      ...(notProtocol === undefined ? [] : [when("l4proto", u8(notProtocol), "!=")]),
    ],
  ];
}

function icmp({ icmp: wanted, notIcmp, protocol }: RuleModel, family: Family | undefined): Alternatives {
  if (wanted === undefined && notIcmp === undefined) return always;
  const type: Field = family === 6 ? "icmpv6 type" : "icmp type";
  const code: Field = family === 6 ? "icmpv6 code" : "icmp code";
  // An ICMP condition on another protocol never holds, and its negation always does.
  const isIcmp = when("l4proto", u8(family === 6 ? 58 : 1));
  if (protocol !== undefined && protocol !== (family === 6 ? 58 : 1))
    return wanted === undefined ? always : never;
  const positive: Alternatives = wanted === undefined ? always : [[isIcmp, ...icmpTests(wanted, type, code)]];
  if (notIcmp === undefined) return positive;
  const negative: Statement[][] = [];
  if (protocol === undefined) negative.push([when("l4proto", u8(family === 6 ? 58 : 1), "!=")]);
  if (notIcmp.type !== undefined) negative.push([isIcmp, when(type, u8(notIcmp.type), "!=")]);
  if (notIcmp.code !== undefined) {
    const sameType = notIcmp.type === undefined ? [] : [when(type, u8(notIcmp.type))];
    negative.push([isIcmp, ...sameType, when(code, u8(notIcmp.code), "!=")]);
  }
  return combine([positive, negative]);
}

function icmpTests({ type, code }: IcmpMatch, typeField: Field, codeField: Field): Statement[] {
  return [
    ...(type === undefined ? [] : [when(typeField, u8(type))]),
    ...(code === undefined ? [] : [when(codeField, u8(code))]),
  ];
}

function peer(
  { nets, notNets, sets: within, notSets, ports, notPorts }: PeerModel,
  side: Side,
  family: Family | undefined,
  sets: RuleSets,
  isDestination: boolean,
): Alternatives {
  const conditions: Alternatives[] = [];
  if (nets !== undefined) conditions.push(inNets(nets, side, family, sets));
  if (notNets !== undefined) conditions.push(outsideNets(notNets, side, family, sets));
  for (const set of within ?? []) conditions.push(inMemberSet(set, side, family, sets, isDestination));
  for (const set of notSets ?? []) conditions.push(outsideMemberSet(set, side, family, sets));
  if (ports !== undefined)
    conditions.push(ports.length === 0 ? never : oneOfPorts(ports, side, family, sets));
  for (const port of notPorts ?? []) conditions.push(notPort(port, side, family));
  return combine(conditions);
}

function inNets(
  nets: readonly string[],
  side: Side,
  family: Family | undefined,
  sets: RuleSets,
): Alternatives {
  if (family === undefined) return never;
  const set = netSet(nets, family, sets);
  return set === undefined ? never : [[inSet([side.address[family]], set)]];
}

function outsideNets(
  nets: readonly string[],
  side: Side,
  family: Family | undefined,
  sets: RuleSets,
): Alternatives {
  if (family === undefined) return always;
  const set = netSet(nets, family, sets);
  return set === undefined ? always : [[notInSet([side.address[family]], set)]];
}

/** The set of the networks of one family, named after what is in it; none when there are none. */
function netSet(nets: readonly string[], family: Family, sets: RuleSets): string | undefined {
  const ranges = mergeNetworks(nets.filter((net) => familyOf(net) === family));
  if (ranges.length === 0) return undefined;
  const name = hashed(`nets-${family}`, JSON.stringify(ranges));
  sets.constant(
    { name, key: [destinationSide.address[family]], interval: true },
    ranges.map(([key, last]) => ({ key, last, single: true })),
  );
  return name;
}

function inMemberSet(
  set: MemberSet,
  side: Side,
  family: Family | undefined,
  sets: RuleSets,
  isDestination: boolean,
): Alternatives {
  if (family === undefined) return never;
  const key = [side.address[family]] as const;
  if (set.of === "service" && isDestination) {
    return [[inSet([...key, "l4proto", side.port], memberSetName(set, "ports", family))]];
  }
  const alternatives = [[inSet(key, memberSetName(set, "addresses", family))]];
  if (sets.hasNets(set)) alternatives.push([inSet(key, memberSetName(set, "nets", family))]);
  return alternatives;
}

function outsideMemberSet(
  set: MemberSet,
  side: Side,
  family: Family | undefined,
  sets: RuleSets,
): Alternatives {
  if (family === undefined) return always;
  const key = [side.address[family]] as const;
  const statements = [notInSet(key, memberSetName(set, "addresses", family))];
  if (sets.hasNets(set)) statements.push(notInSet(key, memberSetName(set, "nets", family)));
  return [statements];
}

function oneOfPorts(
  ports: readonly PortMatch[],
  side: Side,
  family: Family | undefined,
  sets: RuleSets,
): Alternatives {
  const ranges = ports.filter((port) => "first" in port);
  const named = ports.filter((port) => "named" in port);
  const alternatives: Statement[][] = [];
  const [only] = ranges;
  if (ranges.length === 1 && only !== undefined) alternatives.push([portRange(only, side, false)]);
  else if (ranges.length > 1) alternatives.push([inSet([side.port], portSet(ranges, sets))]);
  for (const { named: set } of named) {
    if (family === undefined) continue;
    alternatives.push([
      inSet([side.address[family], "l4proto", side.port], memberSetName(set, "ports", family)),
    ]);
  }
  return alternatives;
}

function notPort(port: PortMatch, side: Side, family: Family | undefined): Alternatives {
  if ("first" in port) return [[portRange(port, side, true)]];
  if (family === undefined) return always;
  return [
    [notInSet([side.address[family], "l4proto", side.port], memberSetName(port.named, "ports", family))],
  ];
}

function portRange(
  { first, last }: { first: number; last: number },
  { port }: Side,
  not: boolean,
): Statement {
  if (first === last) return when(port, u16(first), not ? "!=" : "==");
  return { is: "range", field: port, from: u16(first), to: u16(last), not };
}

function portSet(ports: readonly { first: number; last: number }[], sets: RuleSets): string {
  const sorted = [...ports].sort((a, b) => a.first - b.first);
  const merged: { first: number; last: number }[] = [];
  for (const { first, last } of sorted) {
    const previous = merged.at(-1);
    if (previous !== undefined && first <= previous.last + 1) previous.last = Math.max(previous.last, last);
    else merged.push({ first, last });
  }
  const name = hashed("ports", JSON.stringify(merged));
  sets.constant(
    { name, key: ["dport"], interval: true },
    merged.map(({ first, last }) => ({ key: u16(first), last: u16(last), single: true })),
  );
  return name;
}

const memberSetNames = new WeakMap<MemberSet, Map<string, string>>();

/** Name of the kernel's set for a part of a member set. */
export function memberSetName(set: MemberSet, kind: "addresses" | "nets" | "ports", family: Family): string {
  const names = memberSetNames.get(set) ?? new Map<string, string>();
  const prefix = `${kind}-${family}`;
  const known = names.get(prefix);
  if (known !== undefined) return known;
  const name = hashed(prefix, set.key);
  memberSetNames.set(set, names.set(prefix, name));
  return name;
}

/** Every way to satisfy all conditions. */
function combine(conditions: readonly Alternatives[]): Alternatives {
  return conditions.reduce<Alternatives>(
    (sofar, next) => sofar.flatMap((left) => next.map((right) => [...left, ...right])),
    always,
  );
}
