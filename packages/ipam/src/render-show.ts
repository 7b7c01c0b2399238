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

/** Text of `ipam show`. */
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
      ...(overview.unclassified > 0
        ? [
            `\nNote: found ${overview.unclassified} IP allocations without an explicit node association. Unable to determine if they are borrowed.\n`,
          ]
        : []),
    );
  if (flags.blocks || tables.length === 0)
    tables.push(
      renderTable(
        ["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS FREE"],
        [
          ...overview.pools.flatMap((pool) => [
            usageRow("IP Pool", pool),
            ...(flags.blocks ? pool.blocks.map((block) => usageRow("Block", block)) : []),
          ]),
          ...(flags.blocks ? overview.orphans.map((block) => usageRow("Block", block)) : []),
        ],
      ),
    );
  return tables.concat(overview.problems.map((problem) => `warning: ${problem}\n`)).join("");
}

function usageRow(grouping: string, { cidr, total, used }: Usage): string[] {
  const free = total - BigInt(used);
  return [
    grouping,
    cidr,
    short(total),
    `${short(BigInt(used))} (${percent(BigInt(used), total)})`,
    `${short(free)} (${percent(free, total)})`,
  ];
}

/** Rounded to the even neighbour, as the incumbent's are: 8 of 64 are 12%. */
function percent(part: bigint, total: bigint): string {
  if (total === 0n) return "0%";
  const [whole, rest] = [(part * 100n) / total, ((part * 100n) % total) * 2n];
  const isUp = rest > total || (rest === total && whole % 2n === 1n);
  return `${isUp ? whole + 1n : whole}%`;
}

/** Five significant digits, as the incumbent prints counts: 65536, 1.0486e+06. */
function short(count: bigint): string {
  const [digits = "", exponent] = Number(count).toPrecision(5).split("e+");
  const plain = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  return exponent === undefined ? plain : `${plain}e+${exponent.padStart(2, "0")}`;
}

/** Text of `ipam show --ip`. */
export function renderAddress(shown: ShownAddress): string {
  if (!shown.inUse)
    return shown.pool === undefined
      ? `${shown.address} is not assigned (it is in no IP pool)\n`
      : `${shown.address} is not assigned\n`;
  return [
    `IP ${shown.address} is in use\n`,
    `Handle ID: ${shown.handle ?? "<none>"}\n`,
    ...(shown.active
      ? renderOwner("Active Owner Attributes", shown.active)
      : ["No Active Owner attributes defined\n"]),
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
