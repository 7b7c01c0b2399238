import type { LocalEndpoint } from "../endpoint.ts";
import type { RulesetEditor } from "../ruleset/editor.ts";
import { mergeNetworks } from "../ruleset/network.ts";
import type { Element, Rule, TableName } from "../ruleset/ruleset.ts";
import { accept, conntrack, drop, goto } from "../ruleset/statement.ts";
import { address, concatenation, familyOf, interfaceName, mac } from "../ruleset/value.ts";
import type { PolicySettings } from "../settings.ts";
import { comment, fromEndpoint, regularChain, sets, toEndpoint } from "./names.ts";
import { firstReply, midstream } from "./reply.ts";

/** Rules of one endpoint in the two directions, as policy makes them. */
export interface EndpointPolicy {
  readonly egress: readonly Rule[];
  readonly ingress: readonly Rule[];
}

/** What an endpoint is in the kernel besides its chains: elements, by table and set. */
type Membership = readonly (readonly [table: TableName, set: string, element: Element])[];

/** An endpoint that is in the editor, with the settings that were in force then. */
export interface WrittenEndpoint {
  readonly endpoint: LocalEndpoint;
  readonly settings: PolicySettings;
}

/** Puts an endpoint in, or replaces it. */
export function renderEndpoint(
  editor: RulesetEditor,
  endpoint: LocalEndpoint,
  policy: EndpointPolicy,
  settings: PolicySettings,
  previous?: WrittenEndpoint,
): void {
  const wanted = membership(endpoint, settings);
  if (previous !== undefined) removeMissing(editor, membership(previous.endpoint, previous.settings), wanted);
  for (const [table, set, element] of wanted) editor.putElement(table, set, element);
  const note = comment(`${endpoint.pod.namespace}/${endpoint.pod.name}`);
  const name = endpoint.interfaceName;
  const directions = [
    [fromEndpoint(name), policy.egress],
    [toEndpoint(name), policy.ingress],
  ] as const;
  for (const [chain, rules] of directions) {
    editor.putChain("main", { name: chain, comment: note, rules: framed(chain, endpoint, rules, settings) });
    if (endpoint.state === "arriving") {
      editor.putChain("main", { name: regularChain(chain), comment: note, rules: [...rules, [drop]] });
    } else editor.dropChain("main", regularChain(chain));
  }
}

export function removeEndpoint(editor: RulesetEditor, { endpoint, settings }: WrittenEndpoint): void {
  for (const [table, set, element] of membership(endpoint, settings)) editor.dropElement(table, set, element);
  editor.dropChain("main", fromEndpoint(endpoint.interfaceName));
  editor.dropChain("main", toEndpoint(endpoint.interfaceName));
  for (const chain of [fromEndpoint(endpoint.interfaceName), toEndpoint(endpoint.interfaceName)]) {
    editor.dropChain("main", regularChain(chain));
  }
}

/** Conntrack first: an accepted connection stays accepted when policy changes, in both directions. */
function framed(
  chain: string,
  endpoint: LocalEndpoint,
  rules: readonly Rule[],
  settings: PolicySettings,
): Rule[] {
  if (endpoint.state === "down") return [[drop]];
  if (endpoint.state === "arriving") {
    return [
      [conntrack("established", "related"), accept],
      [...midstream, goto(firstReply(chain))],
      [goto(regularChain(chain))],
    ];
  }
  return [
    [conntrack("established", "related"), accept],
    ...(settings.disableConntrackInvalidCheck ? [] : [[conntrack("invalid"), drop]]),
    ...rules,
    [drop],
  ];
}

function membership(endpoint: LocalEndpoint, settings: PolicySettings): Membership {
  if (endpoint.state === "down") return dispatching(endpoint);
  const link = interfaceName(endpoint.interfaceName);
  const macs = endpoint.macs.map(mac);
  const members: (readonly [TableName, string, Element])[] = [...dispatching(endpoint)];
  const add = (table: TableName, set: string, ...values: string[]) => {
    members.push([table, set, { key: concatenation(values) }]);
  };
  if (endpoint.state === "arriving") add("main", sets.arriving, link);
  for (const hardware of macs) {
    add("main", sets.macs, link, hardware);
    add("arp", sets.macs, link, hardware);
  }
  for (const text of endpoint.addresses) {
    const own = address(text);
    const four = familyOf(text) === 4;
    add(four ? "arp" : "main", four ? sets.address4 : sets.address6, link, own);
    for (const hardware of macs) {
      add("main", four ? sets.source4 : sets.source6, link, hardware, own);
      if (four) add("arp", sets.source4, link, hardware, own);
    }
  }
  if (settings.workloadSourceSpoofing === "Any") {
    const allowed = endpoint.allowedSourcePrefixes ?? [];
    for (const [family, set] of [
      [4, sets.prefix4],
      [6, sets.prefix6],
    ] as const) {
      // The kernel refuses ranges that overlap, and the rest of the transaction with them.
      for (const [first, last] of mergeNetworks(allowed.filter((net) => familyOf(net) === family))) {
        for (const hardware of macs) {
          members.push([
            "main",
            set,
            { key: concatenation([link, hardware, first]), last: concatenation([link, hardware, last]) },
          ]);
        }
      }
    }
  }
  return members;
}

function dispatching({ interfaceName: name }: LocalEndpoint): Membership {
  const key = interfaceName(name);
  return [
    ["main", sets.fromWorkload, { key, verdict: { verdict: "goto", chain: fromEndpoint(name) } }],
    ["main", sets.toWorkload, { key, verdict: { verdict: "goto", chain: toEndpoint(name) } }],
    ["main", sets.interfaces, { key }],
    ["arp", sets.interfaces, { key }],
  ];
}

function removeMissing(editor: RulesetEditor, before: Membership, after: Membership): void {
  const kept = new Set(after.map(identity));
  for (const member of before) {
    const [table, set, element] = member;
    if (!kept.has(identity(member))) editor.dropElement(table, set, element);
  }
}

const identity = ([table, set, element]: Membership[number]) =>
  `${table} ${set} ${element.key} ${element.last ?? ""}`;
