/** The half of the judgement that the kernel makes: everything else never wakes this process. */
import { assemble, type BpfInstruction, jeq, label, ld, ldb, ldh, parseMac, ret } from "@fairlead/netlink";
import { ARP, ETH, ETHERTYPE, IPV6, NA, NEIGHBOUR_ADVERTISEMENT } from "./frame.ts";

/** Room for an advertisement with options; an announcement is 42 to 86 bytes. */
export const SNAP_LENGTH = 256;

/**
 * Passes frames from `mac` that are a RARP request, an ARP request or reply of its own hardware address, or an ICMPv6 neighbour advertisement
 * with hop limit 255. Throws `NetlinkError` `Invalid` when `mac` is none.
 */
export function announcementFilter(mac: string): BpfInstruction[] {
  const bytes = parseMac(mac);
  const high = bytes.readUInt16BE(0);
  const low = bytes.readUInt32BE(2);
  return assemble([
    ld(ETH.source + 2),
    jeq(low, undefined, "drop"),
    ldh(ETH.source),
    jeq(high, undefined, "drop"),
    ldh(ETH.type),
    jeq(ETHERTYPE.IPV6, "ipv6"),
    jeq(ETHERTYPE.ARP, "arp"),
    jeq(ETHERTYPE.RARP, undefined, "drop"),
    ldh(ARP.operation),
    jeq(ARP.RARP_REQUEST, "sender", "drop"),
    label("arp"),
    ldh(ARP.operation),
    jeq(ARP.REQUEST, "sender"),
    jeq(ARP.REPLY, undefined, "drop"),
    label("sender"),
    ld(ARP.senderHardware + 2),
    jeq(low, undefined, "drop"),
    ldh(ARP.senderHardware),
    jeq(high, "keep", "drop"),
    label("ipv6"),
    ldb(IPV6.nextHeader),
    jeq(IPV6.ICMPV6, undefined, "drop"),
    ldb(IPV6.hopLimit),
    jeq(255, undefined, "drop"),
    ldb(NA.type),
    jeq(NEIGHBOUR_ADVERTISEMENT, "keep", "drop"),
    label("keep"),
    ret(SNAP_LENGTH),
    label("drop"),
    ret(0),
  ]);
}
