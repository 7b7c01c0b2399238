/** Where things are in the frames that announce, in bytes from the destination MAC on. */

export const ETH = { destination: 0, source: 6, type: 12, size: 14 } as const;

export const ETHERTYPE = {
  IPV4: 0x0800,
  ARP: 0x0806,
  RARP: 0x8035,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  SERVICE_VLAN: 0x88a8,
} as const;

/** RFC 826 with Ethernet and IPv4; RFC 903 has the same layout. */
export const ARP = {
  hardwareType: 14,
  protocolType: 16,
  hardwareLength: 18,
  protocolLength: 19,
  operation: 20,
  senderHardware: 22,
  senderAddress: 28,
  targetHardware: 32,
  targetAddress: 38,
  end: 42,
  REQUEST: 1,
  REPLY: 2,
  RARP_REQUEST: 3,
} as const;

/** RFC 8200. */
export const IPV6 = {
  payloadLength: 18,
  nextHeader: 20,
  hopLimit: 21,
  source: 22,
  destination: 38,
  end: 54,
  ICMPV6: 58,
} as const;

/** RFC 4861 4.4. */
export const NA = {
  type: 54,
  code: 55,
  checksum: 56,
  flags: 58,
  target: 62,
  options: 78,
  SOLICITED: 0x40,
  OVERRIDE: 0x20,
} as const;

export const NEIGHBOUR_ADVERTISEMENT = 136;
export const TARGET_LINK_LAYER_ADDRESS = 2;

/** RFC 4443 2.3: over pseudo-header and message, one's complement sums to 0xffff. `end`: where the ICMPv6 message ends. */
export const checksumIsValid = (frame: Buffer, end: number): boolean => sum(frame, end) === 0xffff;

/** What the checksum field, zero before, must hold. */
export const checksumOf = (frame: Buffer, end: number): number => ~sum(frame, end) & 0xffff;

function sum(frame: Buffer, end: number): number {
  let total = IPV6.ICMPV6 + (end - IPV6.end);
  for (let at: number = IPV6.source; at < end; at += 2) {
    total += at + 1 < end ? frame.readUInt16BE(at) : frame[at]! << 8;
  }
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}
