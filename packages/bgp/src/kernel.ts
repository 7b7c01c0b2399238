import { parsePrefix } from "./prefix.ts";
import { defaultPriority, preference, workloadRouteProtocol } from "./priority.ts";
import type { Problems } from "./problems.ts";
import type { Family, Speaker } from "./speaker.ts";
import { interfacePattern } from "./symbol.ts";

const families: readonly Family[] = [4, 6];

/** The metric a workload route has when its VM is at rest. */
export function normalPriority(speaker: Speaker, family: Family): number {
  const { ipv4NormalRoutePriority, ipv6NormalRoutePriority } = speaker.configuration ?? {};
  return (family === 4 ? ipv4NormalRoutePriority : ipv6NormalRoutePriority) ?? defaultPriority.normal;
}

/** `[ a+, b+ ]`: networks and everything inside them. Undefined when there are none of this family. */
export function prefixSet(cidrs: readonly string[], family: Family): string | undefined {
  const texts = cidrs
    .map(parsePrefix)
    .filter((p) => p?.family === family)
    .map((p) => `${p!.text}+`);
  return texts.length === 0 ? undefined : `[ ${[...new Set(texts)].sort().join(", ")} ]`;
}

/** Protocols between BIRD and the kernel: connected networks, routes in and out, and the node's own blocks. */
export function kernelProtocols(speaker: Speaker, problems: Problems): string[] {
  return [...direct(speaker, problems), ...families.flatMap((family) => kernelOf(speaker, family, problems))];
}

/** Without connected networks no iBGP next hop resolves. Workload interfaces have none worth knowing. */
function direct(speaker: Speaker, problems: Problems): string[] {
  const ignored: string[] = [];
  for (const [index, name] of (speaker.configuration?.ignoredInterfaces ?? []).entries()) {
    const pattern = interfacePattern(name);
    if (pattern === undefined)
      problems.add(
        "BGPConfiguration/default",
        `spec.ignoredInterfaces[${index}]`,
        "is not an interface name pattern",
      );
    else ignored.push(`-${pattern}`);
  }
  const patterns = [...ignored, '-"cali*"', '-"kube-ipvs*"', '"*"'];
  return ["protocol direct direct1 {", "  ipv4;", "  ipv6;", `  interface ${patterns.join(", ")};`, "}", ""];
}

function kernelOf(speaker: Speaker, family: Family, problems: Problems): string[] {
  const normal = normalPriority(speaker, family);
  const pools = prefixSet(
    speaker.pools.map((pool) => pool.cidr),
    family,
  );
  const services = prefixSet(speaker.services ?? [], family);
  return [
    `# A route of route protocol ${workloadRouteProtocol} on a workload interface is a workload of this node. Other routes inside`,
    "# the pools belong to somebody else; the rest only serves to resolve next hops.",
    `filter kernel_import${family}`,
    "{",
    `  if krt_source = ${workloadRouteProtocol} && defined(ifname) && ifname ~ "cali*" then {`,
    `    preference = ${preference.localNormal};`,
    `    if defined(krt_metric) && krt_metric > 0 && krt_metric < ${normal} then preference = ${preference.localElevated};`,
    "    accept;",
    "  }",
    ...(pools === undefined ? [] : [`  if net ~ ${pools} then reject;`]),
    "  accept;",
    "}",
    "",
    `filter kernel_export${family}`,
    "{",
    ...(services === undefined ? [] : [`  if source = RTS_BGP && net ~ ${services} then reject;`]),
    "  if source = RTS_BGP || source = RTS_STATIC then accept;",
    "  reject;",
    "}",
    "",
    `protocol kernel kernel${family} {`,
    "  learn;",
    "  persist;",
    "  graceful restart on;",
    "  merge paths on;",
    "  scan time 2;",
    // One metric for every route from afar: better than a local workload at rest, worse than an elevated one. BIRD can only
    // replace a route in the kernel whose metric stays the same; one of another metric would be left behind for good.
    `  metric ${normal - 1};`,
    `  ipv${family} { import filter kernel_import${family}; export filter kernel_export${family}; };`,
    "}",
    "",
    `protocol static blocks${family} {`,
    `  ipv${family};`,
    ...ownBlocks(speaker, family, problems).map((block) => `  route ${block} blackhole;`),
    "}",
    "",
  ];
}

/**
 * Blocks of this node as networks. A packet for an address of the block that no workload has dies here instead of looping. Blocks
 * of one address are left out: their route is the workload's own.
 */
export function ownBlocks(speaker: Speaker, family: Family, problems: Problems): string[] {
  const blocks: string[] = [];
  for (const cidr of speaker.blocks) {
    const prefix = parsePrefix(cidr);
    if (prefix === undefined)
      problems.add("IPAMBlock", "spec.cidr", `${JSON.stringify(cidr)} is not a network`);
    else if (prefix.family === family && prefix.length < (family === 4 ? 32 : 128)) blocks.push(prefix.text);
  }
  return [...new Set(blocks)].sort();
}
