import { type CheckedAddress, type CheckReport, problemCount } from "./check.ts";

/** Which details of `ipam check` are printed. */
export interface CheckFlags {
  readonly showAllIps?: boolean;
  readonly showProblemIps?: boolean;
}

/** So many nodes are listed by their number of allocations. */
const nodesListed = 20;

/** What `ipam check` prints: the incumbent's lines, since scripts look for them, and after them what only we check. */
export function renderCheck(
  report: CheckReport,
  { showAllIps = false, showProblemIps = false }: CheckFlags = {},
): string {
  const isVerbose = showAllIps || showProblemIps;
  const listed =
    (isWanted: boolean) =>
    <T>(items: readonly T[], describe: (item: T) => string) =>
      isWanted ? items.map((item) => `  ${describe(item)}`) : [];
  const [all, verbose] = [listed(showAllIps), listed(isVerbose)];
  const { handles, leaked, notAllocated, notInPool, inconsistencies } = report;
  const uses = report.allocations.flatMap(({ address, users }) => users.map((user) => ({ address, user })));
  const shared = report.allocations.filter(({ users }) => users.length > 1);
  const inBlock = Map.groupBy(report.allocations, ({ block }) => block);
  return [
    "Checking IPAM for inconsistencies...",
    "",
    "Loading all IPAM blocks...",
    `Found ${report.blocks.length} IPAM blocks.`,
    ...report.blocks.flatMap(({ cidr, affinity }) => [
      ` IPAM block ${cidr} affinity=${affinity ?? "<none>"}:`,
      ...all(inBlock.get(cidr) ?? [], (one) => `${one.address} allocated; attrs ${attributesOf(one)}`),
    ]),
    `IPAM blocks record ${report.allocations.length} allocations.`,
    "",
    "Loading all IPAM pools...",
    ...report.pools.map((cidr) => `  ${cidr}`),
    `Found ${report.pools.length} active IP pools.`,
    "",
    "Loading all nodes.",
    `Found ${report.tunnelAddresses} node tunnel IPs.`,
    "",
    "Loading all workload endpoints.",
    ...all(uses, ({ address, user }) => `${address} belongs to ${user}`),
    `Found ${report.workloadAddresses} workload IPs.`,
    `Workloads and nodes are using ${report.workloadAddresses + report.tunnelAddresses} IPs.`,
    "",
    "Loading all handles",
    ...nodeLines(report.allocations),
    "",
    "Scanning for IPs that are allocated but not actually in use...",
    ...verbose(leaked, (one) => `${one.address} leaked; attrs ${attributesOf(one)} (${one.why})`),
    `Found ${leaked.length} IPs that are allocated in IPAM but not actually in use.`,
    "Scanning for IPs that are in use by a workload or node but not allocated in IPAM...",
    ...verbose(shared, ({ address }) => `${address} has multiple owners.`),
    ...verbose(
      notInPool,
      ({ address, user }) => `${address} in use by ${user} is not in any active IP pool.`,
    ),
    ...verbose(
      notAllocated,
      ({ address, user }) =>
        `${address} in use by ${user} and in active IPAM pool but has no IPAM allocation.`,
    ),
    `Found ${notInPool.length} in-use IPs that are not in active IP pools.`,
    `Found ${notAllocated.length} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
    "",
    "Scanning for IPAM handles with no matching IPs...",
    ...all(handles.unused, ({ handle }) => `${handle} doesn't have any active IPs.`),
    `Found ${handles.unused.length} handles with no matching IPs (and ${handles.matched} handles with matches).`,
    "Scanning for IPs with missing handle...",
    ...verbose(handles.missing, (handle) => `${handle} is in use in a block but doesn't exist.`),
    `Found ${handles.missing.length} handles mentioned in blocks with no matching handle resource.`,
    "Scanning for handles, affinities and blocks that do not agree...",
    ...inconsistencies.map((problem) => `  ${problem}`),
    `Found ${inconsistencies.length} inconsistencies.`,
    `Check complete; found ${problemCount(report)} problems.`,
    "",
  ].join("\n");
}

/** `Main:<handle> Extra:<key>=<value>,...` */
function attributesOf({ handle, owner }: CheckedAddress): string {
  const extra = Object.entries(owner ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return `Main:${handle ?? "<none>"} Extra:${extra.join(",")}`;
}

function nodeLines(allocations: readonly CheckedAddress[]): string[] {
  const counts = new Map<string, number>();
  for (const { node = "" } of allocations) counts.set(node, (counts.get(node) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const [most] = sorted;
  const median = sorted[Math.floor(sorted.length / 2)];
  return [
    `Looking for top (up to ${nodesListed}) nodes by allocations...`,
    ...sorted.slice(0, nodesListed).map(([node, count]) => `  ${node} has ${count} allocations`),
    ...(most && median ? [`Node with most allocations has ${most[1]}; median is ${median[1]}`] : []),
  ];
}
