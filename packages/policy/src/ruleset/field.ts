/** Where the kernel finds a field, how many bytes it has, and nft's type number so that `nft list` prints it well. */
export interface FieldLayout {
  readonly load:
    | { readonly from: "meta"; readonly key: number }
    | { readonly from: "ct"; readonly key: number }
    | { readonly from: "payload"; readonly base: 0 | 1 | 2; readonly offset: number };
  readonly bytes: number;
  readonly type: number;
}

const meta = (key: number, bytes: number, type: number): FieldLayout => ({
  load: { from: "meta", key },
  bytes,
  type,
});
const link = (offset: number, bytes: number, type: number) => payload(0, offset, bytes, type);
const network = (offset: number, bytes: number, type: number) => payload(1, offset, bytes, type);
const transport = (offset: number, bytes: number, type: number) => payload(2, offset, bytes, type);

function payload(base: 0 | 1 | 2, offset: number, bytes: number, type: number): FieldLayout {
  return { load: { from: "payload", base, offset }, bytes, type };
}

/**
 * Keys from linux/netfilter/nf_tables.h (`nft_meta_keys`, `nft_ct_keys`), offsets from RFC 791, 826, 792, 4443, 4861, 8200,
 * 9293; types are nftables' own (datatype.h).
 */
export const fields = {
  iifname: meta(6, 16, 41),
  oifname: meta(7, 16, 41),
  mark: meta(3, 4, 19),
  nfproto: meta(15, 1, 2),
  l4proto: meta(16, 1, 12),
  iiftype: meta(8, 2, 21),
  "ct state": { load: { from: "ct", key: 0 }, bytes: 4, type: 26 },
  "ct status": { load: { from: "ct", key: 2 }, bytes: 4, type: 28 },
  "ether saddr": link(6, 6, 9),
  "ip saddr": network(12, 4, 7),
  "ip daddr": network(16, 4, 7),
  "ip6 saddr": network(8, 16, 8),
  "ip6 daddr": network(24, 16, 8),
  sport: transport(0, 2, 13),
  dport: transport(2, 2, 13),
  "icmp type": transport(0, 1, 14),
  "icmp code": transport(1, 1, 32),
  "icmpv6 type": transport(0, 1, 29),
  "icmpv6 code": transport(1, 1, 33),
  "nd target": transport(8, 16, 8),
  "tcp flags": transport(13, 1, 15),
  "arp operation": network(6, 2, 11),
  "arp sender mac": network(8, 6, 9),
  "arp sender ip": network(14, 4, 7),
} as const satisfies Record<string, FieldLayout>;

export type Field = keyof typeof fields;
