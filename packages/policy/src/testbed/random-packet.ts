import fc from "fast-check";
import { inhabitants, node, outsiders } from "./inhabitants.ts";

/** Where a packet goes: positions in `inhabitants`, after them `outsiders`, after them the node itself; at least one is local. */
export interface RandomPacket {
  readonly from: number;
  readonly to: number;
  readonly family: 4 | 6;
  readonly kind: "tcp" | "udp" | "sctp" | "icmp";
  readonly port: number;
  /** Upper or lower half of the ports a rule may ask for; the exact one is new for each packet. */
  readonly highSourcePort: boolean;
  readonly icmp: { readonly type: number; readonly code: number };
  /** A local sender pretends to be the first outsider. */
  readonly spoofed: boolean;
}

const everybody = inhabitants.length + outsiders.length;
const isLocal = (index: number) => index === node || inhabitants[index]?.local === true;

export const anyPacket: fc.Arbitrary<RandomPacket> = fc
  .record({
    from: fc.nat(everybody - 1),
    to: fc.nat(node),
    family: fc.constantFrom(4 as const, 6 as const),
    kind: fc.constantFrom("tcp" as const, "udp" as const, "sctp" as const, "icmp" as const),
    port: fc.constantFrom(79, 80, 81, 443, 6443),
    highSourcePort: fc.boolean(),
    icmp: fc.constantFrom({ type: 8, code: 0 }, { type: 8, code: 1 }, { type: 13, code: 0 }),
    spoofed: fc.nat(15).map((number) => number === 0),
  })
  .filter(({ from, to }) => from !== to && (isLocal(from) || isLocal(to)));
