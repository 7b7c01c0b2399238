import { parseCommunity } from "./community.ts";
import { bitsOf, parsePrefix } from "./prefix.ts";
import { localPreferenceOf } from "./priority.ts";
import type { Problems } from "./problems.ts";
import type {
  BgpFilter,
  BgpFilterOperation,
  BgpFilterRule,
  ElevatedBand,
  Family,
  Speaker,
} from "./speaker.ts";
import { interfacePattern, symbol } from "./symbol.ts";

type Direction = "import" | "export";

/** The name of the function a `BGPFilter` becomes. */
export function filterFunction(name: string, direction: Direction, family: Family): string {
  return symbol(`${direction}${family}`, name);
}

export function rulesOf(filter: BgpFilter, direction: Direction, family: Family): readonly BgpFilterRule[] {
  const { importV4, importV6, exportV4, exportV6 } = filter.spec;
  if (direction === "import") return (family === 4 ? importV4 : importV6) ?? [];
  return (family === 4 ? exportV4 : exportV6) ?? [];
}

/**
 * A `BGPFilter` as BIRD functions, one per direction and family that has rules. A rule that BIRD cannot express rejects nothing
 * and accepts nothing; it is reported. `accept` ends the caller's filter, so an import rule sets BIRD's preference first.
 */
export function filterFunctions(
  filter: BgpFilter,
  problems: Problems,
  elevated: Speaker["elevated"],
): string[] {
  const lines: string[] = [];
  for (const direction of ["import", "export"] as const) {
    for (const family of [4, 6] as const) {
      const rules = rulesOf(filter, direction, family);
      if (rules.length === 0) continue;
      lines.push(`function ${filterFunction(filter.name, direction, family)}(bool same_as)`, "{");
      rules.forEach((rule, index) => {
        const field = `spec.${direction}V${family}[${index}]`;
        const object = `BGPFilter/${filter.name}`;
        const text = renderRule(rule, direction, family, object, field, problems, elevated?.[family]);
        if (text !== undefined) lines.push(`  ${text}`);
      });
      lines.push("}", "");
    }
  }
  return lines;
}

function renderRule(
  rule: BgpFilterRule,
  direction: Direction,
  family: Family,
  object: string,
  field: string,
  problems: Problems,
  elevated: ElevatedBand | undefined,
): string | undefined {
  const report = (part: string, message: string) => problems.add(object, `${field}.${part}`, message);
  if (rule.action !== "Accept" && rule.action !== "Reject")
    return report("action", "must be Accept or Reject");
  const conditions = conditionsOf(rule, family, report, elevated);
  if (conditions === undefined) return undefined;
  const statements: string[] = [];
  if (rule.action === "Reject" && rule.operations?.length)
    return report("operations", "are only possible with action Accept");
  for (const [index, operation] of (rule.operations ?? []).entries()) {
    const text = renderOperation(operation);
    if (text === undefined) return report(`operations[${index}]`, "must be one valid operation");
    statements.push(...text);
  }
  if (rule.action === "Accept" && direction === "import") statements.push(`prefer_elevated${family}();`);
  statements.push(rule.action === "Accept" ? "accept;" : "reject;");
  const body = `{ ${statements.join(" ")} }`;
  return conditions.length === 0 ? body : `if ${conditions.map((c) => `(${c})`).join(" && ")} then ${body}`;
}

type Report = (part: string, message: string) => undefined;

function conditionsOf(
  rule: BgpFilterRule,
  family: Family,
  report: Report,
  elevated: ElevatedBand | undefined,
): string[] | undefined {
  const conditions: string[] = [];
  if ((rule.cidr === undefined) !== (rule.matchOperator === undefined))
    return report("matchOperator", "and cidr go together");
  if (rule.cidr !== undefined && rule.matchOperator !== undefined) {
    const prefix = parsePrefix(rule.cidr);
    if (prefix?.family !== family) return report("cidr", `is not an IPv${family} network`);
    const operators = { Equal: "=", NotEqual: "!=", In: "~", NotIn: "!~" } as const;
    const operator = operators[rule.matchOperator];
    if (operator === undefined) return report("matchOperator", "must be Equal, NotEqual, In or NotIn");
    const within = rule.matchOperator === "In" || rule.matchOperator === "NotIn";
    const { min = within ? prefix.length : 0, max = bitsOf(family) } = rule.prefixLength ?? {};
    if (![min, max].every((n) => Number.isInteger(n) && n >= 0 && n <= bitsOf(family)) || min > max)
      return report("prefixLength", `must lie between 0 and ${bitsOf(family)}, min before max`);
    conditions.push(
      within ? `net ${operator} [ ${prefix.text}{${min},${max}} ]` : `net ${operator} ${prefix.text}`,
    );
    if (!within && rule.prefixLength) conditions.push(`net.len >= ${min}`, `net.len <= ${max}`);
  } else if (rule.prefixLength !== undefined) return report("prefixLength", "needs a cidr");
  if (rule.source !== undefined) {
    if (rule.source !== "RemotePeers") return report("source", "must be RemotePeers");
    conditions.push("source = RTS_BGP");
  }
  if (rule.interface !== undefined) {
    const pattern = interfacePattern(rule.interface);
    if (pattern === undefined) return report("interface", "is not an interface name pattern");
    conditions.push("defined(ifname)", `ifname ~ ${pattern}`);
  }
  if (rule.peerType !== undefined) {
    if (rule.peerType !== "iBGP" && rule.peerType !== "eBGP")
      return report("peerType", "must be eBGP or iBGP");
    conditions.push(rule.peerType === "iBGP" ? "same_as" : "!same_as");
  }
  if (rule.communities !== undefined) {
    const community = parseCommunity(rule.communities.values[0] ?? "");
    if (community === undefined || rule.communities.values.length !== 1)
      return report("communities", "needs exactly one value like 65000:100 or 65000:1:100");
    conditions.push(`${community.text} ~ ${community.attribute}`);
  }
  if (rule.asPathPrefix?.length) {
    if (!rule.asPathPrefix.every(isAsNumber)) return report("asPathPrefix", "must be AS numbers");
    conditions.push(`bgp_path ~ [= ${rule.asPathPrefix.join(" ")} * =]`);
  }
  if (rule.priority !== undefined) {
    if (!isPriority(rule.priority)) return report("priority", "must lie between 1 and 2147483646");
    conditions.push("defined(bgp_local_pref)", ...matchPriority(rule.priority, elevated));
  }
  return conditions;
}

/** Who asks for the elevated priority means every elevated route: which of the band it has depends on what others announce. */
function matchPriority(priority: number, elevated: ElevatedBand | undefined): string[] {
  const preference = localPreferenceOf(priority);
  if (priority !== elevated?.first) return [`bgp_local_pref = ${preference}`];
  return [`bgp_local_pref >= ${preference}`, `bgp_local_pref <= ${localPreferenceOf(elevated.last)}`];
}

function renderOperation(operation: BgpFilterOperation): string[] | undefined {
  const { addCommunity, prependASPath, setPriority } = operation;
  const present = [addCommunity, prependASPath, setPriority].filter((part) => part !== undefined);
  if (present.length !== 1) return undefined;
  if (addCommunity !== undefined) {
    const community = parseCommunity(addCommunity.value);
    return community && [`${community.attribute}.add(${community.text});`];
  }
  if (prependASPath !== undefined) {
    const { prefix } = prependASPath;
    if (prefix.length < 1 || prefix.length > 10 || !prefix.every(isAsNumber)) return undefined;
    // Each prepend puts its number in front of those before it.
    return [...prefix].reverse().map((as) => `bgp_path.prepend(${as});`);
  }
  if (setPriority !== undefined && isPriority(setPriority.value))
    return [
      `bgp_local_pref = ${localPreferenceOf(setPriority.value)};`,
      `krt_metric = ${setPriority.value};`,
    ];
  return undefined;
}

function isAsNumber(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 4_294_967_295;
}

function isPriority(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 2_147_483_646;
}
