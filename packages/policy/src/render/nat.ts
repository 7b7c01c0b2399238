import type { RulesetEditor } from "../ruleset/editor.ts";
import type { Field } from "../ruleset/field.ts";
import { mergeNetworks } from "../ruleset/network.ts";
import type { Element, Rule, Statement } from "../ruleset/ruleset.ts";
import { inSet, ipv4, ipv6, notInSet, protocol } from "../ruleset/statement.ts";
import { address, type Family, familyOf } from "../ruleset/value.ts";
import type { PolicySettings } from "../settings.ts";

/** What outgoing address translation needs to know of a pool. */
export interface NatPool {
  readonly cidr: string;
  /** Hide the addresses of this pool behind the node's when they leave the cluster. */
  readonly natOutgoing: boolean;
}

const families: readonly Family[] = [4, 6];
const source: Record<Family, Field> = { 4: "ip saddr", 6: "ip6 saddr" };
const destination: Record<Family, Field> = { 4: "ip daddr", 6: "ip6 daddr" };
const setNames = {
  masqueraded: (family: Family) => `nat-outgoing-pools-${family}`,
  inside: (family: Family) => `pools-${family}`,
};

/** After kube-proxy's translation at 100. */
const afterServices = 110;

/** The chain and its empty sets, part of the base. */
export function renderNat(editor: RulesetEditor, settings: PolicySettings): void {
  for (const family of families) {
    editor.putSet("main", { name: setNames.masqueraded(family), key: [source[family]], interval: true });
    editor.putSet("main", { name: setNames.inside(family), key: [destination[family]], interval: true });
  }
  editor.putChain("main", {
    name: "nat-postrouting",
    base: { type: "nat", hook: "postrouting", priority: afterServices, policy: "accept" },
    rules: families.flatMap((family) => natRules(family, settings)),
  });
}

/** The pools of the cluster, and with IPPoolsAndHostIPs the nodes' addresses, count as inside. */
export function renderPools(
  editor: RulesetEditor,
  pools: Iterable<NatPool>,
  hosts: Iterable<string> = [],
): void {
  const all = [...pools];
  const masqueraded = all.filter(({ natOutgoing }) => natOutgoing).map(({ cidr }) => cidr);
  const inside = [
    ...all.map(({ cidr }) => cidr),
    ...[...hosts].map((host) => `${host}/${familyOf(host) === 4 ? 32 : 128}`),
  ];
  for (const family of families) {
    editor.putElements("main", setNames.masqueraded(family), ranges(masqueraded, family));
    editor.putElements("main", setNames.inside(family), ranges(inside, family));
  }
}

function ranges(nets: readonly string[], family: Family): Element[] {
  return mergeNetworks(nets.filter((net) => familyOf(net) === family)).map(([key, last]) => ({
    key,
    last,
    single: true,
  }));
}

/** A range of ports can be asked for only where there are ports. */
function natRules(family: Family, settings: PolicySettings): Rule[] {
  const leaving: Statement[] = [
    family === 4 ? ipv4 : ipv6,
    inSet([source[family]], setNames.masqueraded(family)),
    notInSet([destination[family]], setNames.inside(family)),
  ];
  const { natPortRange: ports, natOutgoingAddress } = settings;
  const translate = (range?: readonly [number, number]): Statement => {
    const withPorts = range === undefined ? {} : { ports: range };
    if (natOutgoingAddress !== undefined && familyOf(natOutgoingAddress) === family) {
      return { is: "snat", family, address: address(natOutgoingAddress), ...withPorts };
    }
    return { is: "masquerade", ...withPorts };
  };
  const narrowed = ports === undefined ? [] : (["tcp", "udp"] as const);
  return [
    ...narrowed.map((name): Rule => [...leaving, protocol(name), translate(ports)]),
    [...leaving, translate()],
  ];
}
