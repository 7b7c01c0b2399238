import { type CheckReport, problemCount } from "./check.ts";

export interface CheckFlags {
  readonly showAllIps?: boolean;
  readonly showProblemIps?: boolean;
}

/** What `ipam check` prints. */
export function renderCheck(
  report: CheckReport,
  { showAllIps = false, showProblemIps = false }: CheckFlags = {},
): string {
  const lines: string[] = ["Checking IPAM for inconsistencies...", "", "Loading all IPAM blocks..."];
  lines.push(`Found ${report.blocks.length} IPAM blocks.`);
  for (const { cidr, affinity, used } of report.blocks)
    lines.push(` IPAM block ${cidr} affinity=${affinity ?? "<none>"}: ${used} allocations`);
  lines.push(`IPAM blocks record ${report.allocations.length} allocations.`, "", "Loading all IPAM pools...");
  lines.push(...report.pools.map((cidr) => `  ${cidr}`), `Found ${report.pools.length} active IP pools.`, "");
  lines.push("Loading all nodes.", `Found ${report.tunnelAddresses} node tunnel IPs.`, "");
  lines.push("Loading all workload endpoints.", `Found ${report.workloadAddresses} workload IPs.`);
  lines.push(`Workloads and nodes are using ${report.workloadAddresses + report.tunnelAddresses} IPs.`, "");
  if (showAllIps) {
    lines.push("All allocations:");
    for (const { address, inUse, why } of report.allocations)
      lines.push(`  ${address} ${inUse ? "in use" : "leaked"}: ${why}`);
    lines.push("");
  }
  const section = (title: string, count: string, problems: readonly string[]) => {
    lines.push(title);
    if (showProblemIps || showAllIps) lines.push(...problems.map((problem) => `  ${problem}`));
    lines.push(count, "");
  };
  section(
    "Scanning for IPs that are allocated but not actually in use...",
    `Found ${report.leaked.length} IPs that are allocated in IPAM but not actually in use.`,
    report.leaked.map(
      ({ address, node, why }) => `${address} leaked${node ? ` on node ${node}` : ""}: ${why}`,
    ),
  );
  lines.push("Scanning for IPs that are in use by a workload or node but not allocated in IPAM...");
  if (showProblemIps || showAllIps) {
    for (const { address, user } of report.notInPool)
      lines.push(`  ${address} in use by ${user} and not in any active IP pool.`);
    for (const { address, user } of report.notAllocated)
      lines.push(`  ${address} in use by ${user} and in active IPAM pool but has no IPAM allocation.`);
  }
  lines.push(`Found ${report.notInPool.length} in-use IPs that are not in active IP pools.`);
  lines.push(
    `Found ${report.notAllocated.length} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
    "",
  );
  lines.push("Scanning for handles, affinities and blocks that do not agree...");
  lines.push(...report.inconsistencies.map((problem) => `  ${problem}`));
  lines.push(`Found ${report.inconsistencies.length} inconsistencies.`, "");
  lines.push(`Check complete; found ${problemCount(report)} problems.`);
  return `${lines.join("\n")}\n`;
}
