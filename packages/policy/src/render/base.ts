import type { RulesetEditor } from "../ruleset/editor.ts";
import type { Field } from "../ruleset/field.ts";
import type { BaseHook, Chain, NftSet, Rule, Statement } from "../ruleset/ruleset.ts";
import {
  accept,
  conntrack,
  dispatch,
  drop,
  fromWorkload,
  goto,
  inSet,
  ipv4,
  ipv6,
  notInSet,
  protocol,
  toWorkload,
  when,
} from "../ruleset/statement.ts";
import { address, u8, u16 } from "../ruleset/value.ts";
import type { PolicySettings } from "../settings.ts";
import { chains, sets } from "./names.ts";

/** Sources of a workload's packets: interface, MAC and address together. */
const sourceKey4: readonly Field[] = ["iifname", "ether saddr", "ip saddr"];
const sourceKey6: readonly Field[] = ["iifname", "ether saddr", "ip6 saddr"];
const macKey: readonly Field[] = ["iifname", "ether saddr"];

const mainSets: readonly NftSet[] = [
  { name: sets.fromWorkload, key: ["iifname"], verdicts: true },
  { name: sets.toWorkload, key: ["oifname"], verdicts: true },
  { name: sets.interfaces, key: ["oifname"] },
  { name: sets.arriving, key: ["oifname"] },
  { name: sets.macs, key: macKey },
  { name: sets.source4, key: sourceKey4 },
  { name: sets.source6, key: sourceKey6 },
  { name: sets.prefix4, key: sourceKey4, interval: true },
  { name: sets.prefix6, key: sourceKey6, interval: true },
  { name: sets.address6, key: ["oifname", "nd target"] },
];

const arpSets: readonly NftSet[] = [
  { name: sets.interfaces, key: ["oifname"] },
  { name: sets.macs, key: ["iifname", "arp sender mac"] },
  { name: sets.source4, key: ["iifname", "arp sender mac", "arp sender ip"] },
  { name: sets.address4, key: ["oifname", "arp sender ip"] },
];

/** Message types (IANA icmpv6-parameters). */
const icmpv6 = {
  listenerReport: 131,
  listenerDone: 132,
  routerSolicitation: 133,
  routerAdvertisement: 134,
  neighbourSolicitation: 135,
  neighbourAdvertisement: 136,
  redirect: 137,
  listenerReport2: 143,
};

const icmpv6Type = (type: number): Statement[] => [protocol("icmpv6"), when("icmpv6 type", u8(type))];
const udp = (from: number, to: number): Statement[] => [
  protocol("udp"),
  when("sport", u16(from)),
  when("dport", u16(to)),
];
const linkLocal = (field: "ip6 saddr" | "nd target", op: "==" | "!="): Statement => ({
  is: "mask",
  field,
  mask: `ffc0${"0".repeat(28)}`,
  op,
  value: address("fe80::"),
});

/**
 * What a workload may send at all, before policy: from its own addresses with its own MACs, and not what only a router or
 * a DHCP server may say. An interface nobody told us about matches nothing here and is dropped.
 *
 * The address is checked against a set and not against the route back, because a migration target has no
 * route yet when its guest begins to speak.
 */
const guard: readonly Rule[] = [
  [ipv4, ...udp(67, 68), drop],
  [ipv6, ...udp(547, 546), drop],
  [ipv6, ...icmpv6Type(icmpv6.routerAdvertisement), drop],
  [ipv6, ...icmpv6Type(icmpv6.redirect), drop],
  [
    ipv6,
    ...icmpv6Type(icmpv6.neighbourAdvertisement),
    linkLocal("nd target", "!="),
    notInSet(["iifname", "nd target"], sets.address6),
    drop,
  ],
  [ipv4, inSet(sourceKey4, sets.source4), accept],
  [ipv6, inSet(sourceKey6, sets.source6), accept],
  [ipv6, linkLocal("ip6 saddr", "=="), inSet(macKey, sets.macs), accept],
  // Duplicate address detection and the first listener report have no source address yet.
  [
    ipv6,
    when("ip6 saddr", address("::")),
    ...icmpv6Type(icmpv6.neighbourSolicitation),
    inSet(macKey, sets.macs),
    accept,
  ],
  [
    ipv6,
    when("ip6 saddr", address("::")),
    ...icmpv6Type(icmpv6.listenerReport2),
    inSet(macKey, sets.macs),
    accept,
  ],
  [ipv4, when("ip saddr", address("0.0.0.0")), ...udp(68, 67), inSet(macKey, sets.macs), accept],
  [ipv4, inSet(sourceKey4, sets.prefix4), accept],
  [ipv6, inSet(sourceKey6, sets.prefix6), accept],
  [drop],
];

/** What a workload needs from its node to have a link at all. */
const linkServices: readonly Rule[] = [
  ...[
    icmpv6.routerSolicitation,
    icmpv6.neighbourSolicitation,
    icmpv6.neighbourAdvertisement,
    icmpv6.listenerReport,
    icmpv6.listenerDone,
    icmpv6.listenerReport2,
  ].map((type): Rule => [ipv6, ...icmpv6Type(type), accept]),
  [ipv4, ...udp(68, 67), accept],
  [ipv6, ...udp(546, 547), accept],
];

function ordinaryChains(settings: PolicySettings): Chain[] {
  const hostAction: Rule = settings.defaultEndpointToHostAction === "Drop" ? [drop] : [accept];
  return [
    { name: chains.guard, rules: guard },
    { name: chains.fromDispatch, rules: [[dispatch("iifname", sets.fromWorkload)], [drop]] },
    { name: chains.toDispatch, rules: [[dispatch("oifname", sets.toWorkload)], [drop]] },
    {
      name: chains.workloadToHost,
      rules: [...linkServices, [dispatch("iifname", sets.fromWorkload)], [drop]],
    },
    {
      name: chains.hostAction,
      rules: [[conntrack("established", "related"), accept], ...linkServices, hostAction],
    },
    {
      name: chains.hostToWorkload,
      rules: [
        // The node stands in for the rest of the network on this link, but never for the workload itself.
        [
          ipv6,
          ...icmpv6Type(icmpv6.neighbourAdvertisement),
          inSet(["oifname", "nd target"], sets.address6),
          drop,
        ],
        [inSet(["oifname"], sets.interfaces), accept],
        [drop],
      ],
    },
  ];
}

interface BaseChain {
  readonly name: string;
  readonly base: BaseHook;
  readonly match: (prefix: string) => Statement;
  readonly to: string;
}

const filter = (hook: BaseHook["hook"], priority: number): BaseHook => ({
  type: "filter",
  hook,
  priority,
  policy: "accept",
});

/**
 * Where our rules hang. `accept` ends only the base chain it is met in, so egress policy of the sender and ingress policy of
 * the receiver stand in two base chains of the same hook and both have to agree.
 */
const baseChains: readonly BaseChain[] = [
  { name: "raw-prerouting", base: filter("prerouting", -300), match: fromWorkload, to: chains.guard },
  { name: "forward-from-workload", base: filter("forward", 0), match: fromWorkload, to: chains.fromDispatch },
  { name: "forward-to-workload", base: filter("forward", 1), match: toWorkload, to: chains.toDispatch },
  { name: "input-from-workload", base: filter("input", 0), match: fromWorkload, to: chains.workloadToHost },
  { name: "input-to-host", base: filter("input", 1), match: fromWorkload, to: chains.hostAction },
  { name: "output-to-workload", base: filter("output", 0), match: toWorkload, to: chains.hostToWorkload },
];

const arpIn: readonly Rule[] = [
  [inSet(["iifname", "arp sender mac", "arp sender ip"], sets.source4), accept],
  [when("arp sender ip", address("0.0.0.0")), inSet(["iifname", "arp sender mac"], sets.macs), accept],
  [drop],
];

/** Proxy ARP makes the node answer for every address, also for the workload's own: its probe would find a duplicate. */
const arpOut: readonly Rule[] = [
  [when("arp operation", u16(2)), inSet(["oifname", "arp sender ip"], sets.address4), drop],
  [inSet(["oifname"], sets.interfaces), accept],
  [drop],
];

/**
 * The rules that are there before the first workload and stay when the agent is gone. Nothing in them names an endpoint: those
 * enter as elements of the sets and maps.
 */
export function renderBase(editor: RulesetEditor, settings: PolicySettings): void {
  for (const set of mainSets) editor.putSet("main", set);
  for (const set of arpSets) editor.putSet("arp", set);
  for (const chain of ordinaryChains(settings)) editor.putChain("main", chain);
  const prefixes = settings.interfacePrefixes;
  for (const { name, base, match, to } of baseChains) {
    editor.putChain("main", { name, base, rules: prefixes.map((prefix) => [match(prefix), goto(to)]) });
  }
  editor.putChain("arp", { name: "workload-arp-in", rules: arpIn });
  editor.putChain("arp", { name: "workload-arp-out", rules: arpOut });
  editor.putChain("arp", {
    name: "input",
    base: filter("input", 0),
    rules: prefixes.map((prefix) => [fromWorkload(prefix), goto("workload-arp-in")]),
  });
  editor.putChain("arp", {
    name: "output",
    base: filter("output", 0),
    rules: prefixes.map((prefix) => [toWorkload(prefix), goto("workload-arp-out")]),
  });
}
