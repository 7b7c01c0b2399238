import type { Field } from "./field.ts";
import type { Comparison, Hex, Statement } from "./ruleset.ts";
import { host32, interfacePrefix, u8 } from "./value.ts";

/** Short names for statements, so that rules read like nft's own. */
export const when = (field: Field, value: Hex, op: Comparison = "=="): Statement => ({
  is: "match",
  field,
  op,
  value,
});

export const inSet = (fields: readonly Field[], set: string): Statement => ({
  is: "lookup",
  fields,
  set,
  not: false,
});
export const notInSet = (fields: readonly Field[], set: string): Statement => ({
  is: "lookup",
  fields,
  set,
  not: true,
});
export const dispatch = (field: Field, map: string): Statement => ({ is: "dispatch", fields: [field], map });

export const accept: Statement = { is: "verdict", verdict: "accept" };
export const drop: Statement = { is: "verdict", verdict: "drop" };
export const leave: Statement = { is: "verdict", verdict: "return" };
export const jump = (chain: string): Statement => ({ is: "verdict", verdict: "jump", chain });
export const goto = (chain: string): Statement => ({ is: "verdict", verdict: "goto", chain });

/** IP protocol numbers (IANA). */
export const protocolNumber = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
} as const;

export const ipv4: Statement = when("nfproto", u8(2));
export const ipv6: Statement = when("nfproto", u8(10));
export const protocol = (name: keyof typeof protocolNumber): Statement =>
  when("l4proto", u8(protocolNumber[name]));

/** Bits of conntrack's state as `ct state` loads them (IP_CT_*: invalid 1, established 2, related 4, new 8, untracked 64). */
const states = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 };

export function conntrack(...names: (keyof typeof states)[]): Statement {
  const mask = names.reduce((bits, name) => bits | states[name], 0);
  return { is: "mask", field: "ct state", mask: host32(mask), op: "!=", value: host32(0) };
}

export const fromWorkload = (prefix: string): Statement => when("iifname", interfacePrefix(prefix));
export const toWorkload = (prefix: string): Statement => when("oifname", interfacePrefix(prefix));
