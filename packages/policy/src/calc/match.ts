import {
  familyOfRule,
  type IcmpMatch,
  type PeerModel,
  type PortMatch,
  portsMakeSense,
  type RuleModel,
} from "../model/policy.ts";
import type { Packet } from "../packet.ts";
import { bounds, contains } from "../ruleset/network.ts";
import type { Hex } from "../ruleset/ruleset.ts";
import { protocolNumber } from "../ruleset/statement.ts";
import { address, familyOf } from "../ruleset/value.ts";
import type { MemberSets } from "./member-sets.ts";

/** A packet with its addresses as bytes (hex) and its protocol as a number. */
export interface ReadPacket {
  readonly family: 4 | 6;
  readonly source: Hex;
  readonly destination: Hex;
  readonly protocol: number;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  readonly icmp?: { readonly type: number; readonly code: number } | undefined;
}

export function readPacket(packet: Packet): ReadPacket {
  return {
    family: familyOf(packet.source),
    source: address(packet.source),
    destination: address(packet.destination),
    protocol: typeof packet.protocol === "number" ? packet.protocol : protocolNumber[packet.protocol],
    sourcePort: packet.sourcePort,
    destinationPort: packet.destinationPort,
    icmp: packet.icmp,
  };
}

/** Whether every part of the rule matches. */
export function ruleMatches(rule: RuleModel, packet: ReadPacket, sets: MemberSets): boolean {
  const family = familyOfRule(rule);
  if (family !== undefined && family !== packet.family) return false;
  if (!portsMakeSense(rule)) return false;
  if (rule.protocol !== undefined && rule.protocol !== packet.protocol) return false;
  if (rule.notProtocol !== undefined && rule.notProtocol === packet.protocol) return false;
  if (rule.icmp !== undefined && !icmpMatches(rule.icmp, packet)) return false;
  if (rule.notIcmp !== undefined && icmpMatches(rule.notIcmp, packet)) return false;
  return (
    peerMatches(rule.source, packet.source, packet.sourcePort, packet, sets) &&
    peerMatches(rule.destination, packet.destination, packet.destinationPort, packet, sets, true)
  );
}

function icmpMatches({ type, code }: IcmpMatch, { icmp }: ReadPacket): boolean {
  if (icmp === undefined) return false;
  return (type === undefined || type === icmp.type) && (code === undefined || code === icmp.code);
}

function peerMatches(
  peer: PeerModel,
  member: Hex,
  port: number | undefined,
  packet: ReadPacket,
  sets: MemberSets,
  isDestination = false,
): boolean {
  const within = (net: string) => contains(bounds(net), member);
  const matchesPort = (match: PortMatch) =>
    port !== undefined &&
    ("named" in match
      ? sets.hasPort(match.named, member, packet.protocol, port)
      : match.first <= port && port <= match.last);
  if (peer.nets !== undefined && !peer.nets.some(within)) return false;
  if (peer.notNets?.some(within)) return false;
  for (const set of peer.sets ?? []) {
    const inside =
      set.of === "service" && isDestination
        ? port !== undefined && sets.hasPort(set, member, packet.protocol, port)
        : sets.hasAddress(set, member);
    if (!inside) return false;
  }
  if (peer.notSets?.some((set) => sets.hasAddress(set, member))) return false;
  if (peer.ports !== undefined && !peer.ports.some(matchesPort)) return false;
  return !peer.notPorts?.some(matchesPort);
}
