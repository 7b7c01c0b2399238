/** IP protocol number. */
export const sctp = 132;

/** Chunk types (RFC 9260, 3.2); INIT and INIT ACK are laid out alike. */
const chunks = { 1: "INIT", 2: "INIT ACK" } as const;

/** What the first chunk of a packet is, if it is one of those a handshake begins with. */
export function chunkOf(packet: Buffer): "INIT" | "INIT ACK" | undefined {
  return chunks[packet[12] as 1 | 2];
}

/** A packet that opens an association (RFC 9260, 3.3.2). `tag` must not be 0. */
export function buildInit(sourcePort: number, destinationPort: number, tag: number): Buffer {
  return build(1, { sourcePort, destinationPort, verification: 0, tag });
}

/** The answer to an INIT: it names the tag it was sent. */
export function answerInit(init: Buffer): Buffer {
  const [sourcePort, destinationPort] = [init.readUInt16BE(2), init.readUInt16BE(0)];
  return build(2, { sourcePort, destinationPort, verification: init.readUInt32BE(16), tag: 1 });
}

interface Handshake {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verification: number;
  readonly tag: number;
}

function build(type: 1 | 2, { sourcePort, destinationPort, verification, tag }: Handshake): Buffer {
  const bytes = Buffer.alloc(12 + 20);
  bytes.writeUInt16BE(sourcePort, 0);
  bytes.writeUInt16BE(destinationPort, 2);
  bytes.writeUInt32BE(verification, 4);
  bytes[12] = type;
  bytes.writeUInt16BE(20, 14);
  bytes.writeUInt32BE(tag, 16);
  bytes.writeUInt32BE(65_535, 20);
  bytes.writeUInt16BE(1, 24);
  bytes.writeUInt16BE(1, 26);
  bytes.writeUInt32LE(crc32c(bytes), 8);
  return bytes;
}

const crcTable = Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value >>> 0;
});

/** RFC 9260, appendix A. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
