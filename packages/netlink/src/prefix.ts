/** Arithmetic on prefixes. */
import { parsePrefix } from "./ip.ts";

/** The address with the bits beyond `length` cleared. */
export function maskedPrefix(address: Buffer, length: number): Buffer {
  return Buffer.from(address.map((byte, i) => byte & maskByte(length - i * 8)));
}

const maskByte = (bits: number): number => (bits >= 8 ? 0xff : bits <= 0 ? 0 : (0xff << (8 - bits)) & 0xff);

/** Whether a prefix (`10.0.0.0/8`) covers an address of either family. */
export function contains(prefix: string, address: Buffer): boolean {
  const { address: base, length } = parsePrefix(prefix);
  return base.length === address.length && maskedPrefix(base, length).equals(maskedPrefix(address, length));
}
