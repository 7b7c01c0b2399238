/**
 * Policy routing rules as netlink messages: struct fib_rule_hdr and the attributes of linux/fib_rules.h.
 *
 *     struct fib_rule_hdr { u8 family, dst_len, src_len, tos, table, res1, res2, action; u32 flags; }
 */
import { addressFamily, type Family, familyOf, formatPrefix, parsePrefix } from "./ip.ts";
import { Attributes, needHeader } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";
import { MAIN_TABLE } from "./route-codec.ts";
import type { Rule, RuleAction, RuleSpec } from "./rule.ts";

export const RTM_NEWRULE = 32;
export const RTM_DELRULE = 33;
export const RTM_GETRULE = 34;

const SIZE = 12;
const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  PRIORITY: 6,
  FWMARK: 10,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  PROTOCOL: 21,
} as const;
const FIB_RULE_INVERT = 2;

/** FR_ACT_* */
const actions: Readonly<Record<RuleAction, number>> = {
  table: 1,
  goto: 2,
  nop: 3,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
};
const actionNames = new Map(Object.entries(actions).map(([name, value]) => [value, name as RuleAction]));

export function encodeRule(writer: MessageWriter, rule: RuleSpec): void {
  const from = rule.from === undefined ? undefined : parsePrefix(rule.from);
  const to = rule.to === undefined ? undefined : parsePrefix(rule.to);
  const action = rule.action ?? "table";
  const table = rule.table ?? (action === "table" ? MAIN_TABLE : 0);
  const at = writer.header(SIZE);
  writer.put8(at, addressFamily(rule.family));
  writer.put8(at + 1, to?.length ?? 0);
  writer.put8(at + 2, from?.length ?? 0);
  writer.put8(at + 4, table < 256 ? table : 0);
  writer.put8(at + 7, actions[action]);
  if (rule.invert === true) writer.put32(at + 8, FIB_RULE_INVERT);
  if (to !== undefined) writer.bytesOf(FRA.DST, to.address);
  if (from !== undefined) writer.bytesOf(FRA.SRC, from.address);
  if (rule.inputInterface !== undefined) writer.string(FRA.IIFNAME, rule.inputInterface);
  if (rule.outputInterface !== undefined) writer.string(FRA.OIFNAME, rule.outputInterface);
  writer.u32(FRA.PRIORITY, rule.priority);
  if (rule.mark !== undefined) writer.u32(FRA.FWMARK, rule.mark);
  if (rule.mask !== undefined) writer.u32(FRA.FWMASK, rule.mask);
  if (table > 255) writer.u32(FRA.TABLE, table);
  writer.u8(FRA.PROTOCOL, rule.protocol ?? 0);
}

export function encodeRuleFilter(writer: MessageWriter, family: Family): void {
  writer.put8(writer.header(SIZE), addressFamily(family));
}

/** A rule of a message; undefined for families other than IP and actions unknown here. Throws `Malformed`. */
export function decodeRule(payload: Buffer): Rule | undefined {
  needHeader(payload, SIZE, "fib_rule_hdr");
  const family = familyOf(payload[0]!);
  const action = actionNames.get(payload[7]!);
  if (family === undefined || action === undefined) return undefined;
  const attributes = new Attributes(payload, SIZE);
  const prefix = (type: number, length: number) => {
    const address = attributes.bytes(type);
    return address === undefined ? undefined : formatPrefix(address, length);
  };
  return {
    family,
    priority: attributes.u32(FRA.PRIORITY) ?? 0,
    action,
    table: attributes.u32(FRA.TABLE) ?? payload[4]!,
    invert: (payload.readUInt32LE(8) & FIB_RULE_INVERT) !== 0,
    from: prefix(FRA.SRC, payload[2]!),
    to: prefix(FRA.DST, payload[1]!),
    mark: attributes.u32(FRA.FWMARK),
    mask: attributes.u32(FRA.FWMASK),
    inputInterface: attributes.string(FRA.IIFNAME),
    outputInterface: attributes.string(FRA.OIFNAME),
    protocol: attributes.u8(FRA.PROTOCOL) ?? 0,
  };
}
