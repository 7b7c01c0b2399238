import { parseCommunity } from "./community.ts";
import { normalPriority, ownBlocks, prefixSet } from "./kernel.ts";
import { parsePrefix } from "./prefix.ts";
import { preference, priorityCeiling, workloadRouteProtocol } from "./priority.ts";
import type { Problems } from "./problems.ts";
import type { Family, Speaker } from "./speaker.ts";

const families: readonly Family[] = [4, 6];

/** BIRD functions that decide what is said to any neighbour, for both families. */
export function announceFunctions(speaker: Speaker, problems: Problems): string[] {
  return families.flatMap((family) => announce(speaker, family, problems));
}

/** BIRD functions that weigh what is heard and carry the priority into what is said. BIRD wants them before their callers. */
export function priorityFunctions(speaker: Speaker): string[] {
  return families.flatMap((family) => priorityFunctionsOf(speaker, family));
}

function priorityFunctionsOf(speaker: Speaker, family: Family): string[] {
  const normal = normalPriority(speaker, family);
  return [
    "# An elevated route from afar is better than a local workload at rest: the VM has just left.",
    `function prefer_elevated${family}()`,
    "{",
    "  if source = RTS_BGP && defined(bgp_local_pref) then {",
    `    if bgp_local_pref > ${priorityCeiling - normal} then preference = ${preference.remoteElevated};`,
    "  }",
    "}",
    "",
    "# Metric and local preference agree. What another node said is passed on as it was said.",
    `function set_priority${family}()`,
    "{",
    "  if source = RTS_BGP then {",
    `    if defined(bgp_local_pref) then { if bgp_local_pref < ${priorityCeiling} then krt_metric = ${priorityCeiling} - bgp_local_pref; }`,
    "  } else {",
    `    if !defined(krt_metric) then krt_metric = ${normal};`,
    `    if krt_metric = 0 then krt_metric = ${normal};`,
    `    if krt_metric > ${priorityCeiling} then krt_metric = ${priorityCeiling};`,
    `    bgp_local_pref = ${priorityCeiling} - krt_metric;`,
    "  }",
    "}",
    "",
  ];
}

function announce(speaker: Speaker, family: Family, problems: Problems): string[] {
  const normal = normalPriority(speaker, family);
  const pools = (exported: boolean) =>
    prefixSet(
      speaker.pools.filter((pool) => (pool.disableBGPExport ?? false) !== exported).map((pool) => pool.cidr),
      family,
    );
  const hidden = pools(false);
  const shown = pools(true);
  const services = prefixSet(speaker.services ?? [], family);
  const blocks = ownBlocks(speaker, family, problems);
  return [
    `function announce${family}(bool same_as)`,
    "{",
    ...(hidden === undefined ? [] : [`  if net ~ ${hidden} then reject;`]),
    '  if defined(ifname) && (ifname ~ "*.cali" || ifname ~ "*.calico" || ifname ~ "tunl0") && same_as then reject;',
    "  # What was learned from the kernel to resolve next hops stays here.",
    "  if source = RTS_INHERIT then {",
    `    if !defined(krt_source) || !defined(ifname) then reject;`,
    `    if krt_source != ${workloadRouteProtocol} || ifname !~ "cali*" then reject;`,
    "  }",
    "  if source = RTS_DEVICE then reject;",
    ...communities(speaker, family, problems),
    "  # A block speaks for its addresses, except for those that have just moved.",
    ...blocks.flatMap((block) => [
      `  if net = ${block} then accept;`,
      `  if net ~ [ ${block}+ ] && source != RTS_BGP then { if krt_metric < ${normal} then accept; reject; }`,
    ]),
    ...(services === undefined ? [] : [`  if net ~ ${services} then accept;`]),
    ...(shown === undefined ? [] : [`  if net ~ ${shown} then accept;`]),
    "  reject;",
    "}",
    "",
  ];
}

/** Communities of `prefixAdvertisements`: each value is a community or the name of one in `communities`. */
function communities(speaker: Speaker, family: Family, problems: Problems): string[] {
  const configuration = speaker.configuration ?? {};
  const named = new Map(configuration.communities?.map(({ name, value }) => [name, value]));
  return (configuration.prefixAdvertisements ?? []).flatMap((advertisement, index) => {
    const field = `spec.prefixAdvertisements[${index}]`;
    const prefix = parsePrefix(advertisement.cidr);
    if (prefix === undefined) problems.add("BGPConfiguration/default", `${field}.cidr`, "is not a network");
    if (prefix?.family !== family) return [];
    const statements = advertisement.communities.flatMap((name) => {
      const community = parseCommunity(named.get(name) ?? name);
      if (community !== undefined) return [`${community.attribute}.add(${community.text});`];
      problems.add("BGPConfiguration/default", `${field}.communities`, "names no community and is none");
      return [];
    });
    return statements.length === 0 ? [] : [`  if net ~ [ ${prefix.text}+ ] then { ${statements.join(" ")} }`];
  });
}
