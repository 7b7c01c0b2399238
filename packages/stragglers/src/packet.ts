/** Frames as packets: what is left of a frame when it is routed once more. */
import { type Family, type Frame, formatAddress } from "@fairlead/netlink";

/** An IP packet, and what is left to do for it before it may be on a wire. */
export interface Packet {
  readonly family: Family;
  readonly destination: string;
  readonly bytes: Buffer;
  /** A struct virtio_net_hdr whose offsets count from the packet's first byte. */
  readonly offload: Buffer;
}

const ETHERNET = 14;
const ETHERTYPE = { at: 12, IPV4: 0x0800, IPV6: 0x86dd };
const DESTINATION = { IPV4: { at: 16, length: 4, least: 20 }, IPV6: { at: 24, length: 16, least: 40 } };
/** struct virtio_net_hdr { u8 flags, gso_type; u16 hdr_len, gso_size, csum_start, csum_offset; } */
const OFFLOAD = { length: 10, flags: 0, segmentation: 1, headers: 2, checksum: 6 };
const NEEDS_CHECKSUM = 1;

/** The packet in a frame; undefined when there is none or it was cut. Pure. */
export function packetOf({ bytes, length, offload }: Frame): Packet | undefined {
  if (length > bytes.length || bytes.length < ETHERNET) return undefined;
  const type = bytes.readUInt16BE(ETHERTYPE.at);
  if (type !== ETHERTYPE.IPV4 && type !== ETHERTYPE.IPV6) return undefined;
  const { at, length: size, least } = type === ETHERTYPE.IPV4 ? DESTINATION.IPV4 : DESTINATION.IPV6;
  const packet = bytes.subarray(ETHERNET);
  if (packet.length < least) return undefined;
  return {
    family: type === ETHERTYPE.IPV4 ? 4 : 6,
    destination: formatAddress(packet.subarray(at, at + size)),
    bytes: packet,
    offload: withoutEthernet(offload ?? Buffer.alloc(OFFLOAD.length)),
  };
}

/** The same, counted from behind the Ethernet header. */
function withoutEthernet(offload: Buffer): Buffer {
  const shifted = Buffer.from(offload);
  const shift = (at: number) => shifted.writeUInt16LE(Math.max(0, shifted.readUInt16LE(at) - ETHERNET), at);
  if ((shifted[OFFLOAD.flags]! & NEEDS_CHECKSUM) !== 0) shift(OFFLOAD.checksum);
  if (shifted[OFFLOAD.segmentation] !== 0) shift(OFFLOAD.headers);
  return shifted;
}
