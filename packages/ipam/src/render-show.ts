import { configurationRows } from "./configure.ts";
import type { Attributes } from "./resources.ts";
import type { Overview, ShownAddress, Usage } from "./show.ts";
import { renderTable } from "./table.ts";

/** Which tables `ipam show` prints. Without any: usage per pool. */
export interface ShowFlags {
  readonly blocks?: boolean;
  readonly borrowed?: boolean;
  readonly configuration?: boolean;
}

export function renderShow(overview: Overview, flags: ShowFlags = {}): string {
  const tables: string[] = [];
  if (flags.configuration)
    tables.push(renderTable(["PROPERTY", "VALUE"], configurationRows(overview.configuration)));
  if (flags.borrowed)
    tables.push(
      renderTable(
        ["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"],
        overview.borrowed.map((one) => [
          one.address,
          one.borrowingNode,
          one.block,
          one.blockOwner,
          one.type,
          one.allocatedTo,
        ]),
      ),
    );
  if (flags.blocks || tables.length === 0)
    tables.push(
      renderTable(
        ["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS FREE"],
        overview.pools.flatMap((pool) => [
          usageRow("IP Pool", pool),
          ...(flags.blocks ? pool.blocks.map((block) => usageRow("Block", block)) : []),
        ]),
      ),
    );
  return tables.concat(overview.problems.map((problem) => `warning: ${problem}\n`)).join("");
}

function usageRow(grouping: string, { cidr, total, used }: Usage): string[] {
  const free = total - BigInt(used);
  const percent = (part: bigint) =>
    `${total === 0n ? 0 : Math.round(Number((part * 10_000n) / total) / 100)}%`;
  return [
    grouping,
    cidr,
    short(total),
    `${used} (${percent(BigInt(used))})`,
    `${short(free)} (${percent(free)})`,
  ];
}

/** Five significant digits beyond nine digits, as the incumbent prints IPv6 pools. */
const short = (count: bigint): string =>
  count < 1_000_000_000n
    ? String(count)
    : Number(count)
        .toPrecision(5)
        .replace(/\.?0+(?=e|$)/, "");

export function renderAddress(shown: ShownAddress): string {
  if (!shown.inUse)
    return shown.pool === undefined
      ? `IP ${shown.address} is not assigned (it is in no IP pool)\n`
      : `IP ${shown.address} is not assigned\n`;
  return [
    `IP ${shown.address} is in use\n`,
    ...(shown.handle ? [`Handle ID: ${shown.handle}\n`] : []),
    ...renderOwner("Active Owner Attributes", shown.active),
    ...renderOwner("Alternate Owner Attributes", shown.alternate),
  ].join("");
}

function renderOwner(title: string, owner: Attributes | null): string[] {
  if (!owner) return [];
  const lines = Object.entries(owner)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `  ${key}: ${value}\n`);
  return [`${title}:\n`, ...lines];
}
