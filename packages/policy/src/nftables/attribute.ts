/** Netlink attributes are little-endian on the wire where the host is; every host we support is. */
const headerBytes = 4;
const nestedFlag = 0x8000;

/** Appends netlink messages and attributes to one growing buffer; lengths are filled in when a nest ends. */
export class AttributeWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 1 << 16) {
    this.#bytes = Buffer.alloc(capacity);
  }

  get length(): number {
    return this.#length;
  }

  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Reserves zeroed bytes and returns where they begin. */
  reserve(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }

  setUint32(at: number, value: number): void {
    this.#bytes.writeUInt32LE(value >>> 0, at);
  }

  setUint16(at: number, value: number): void {
    this.#bytes.writeUInt16LE(value, at);
  }

  setUint8(at: number, value: number): void {
    this.#bytes[at] = value;
  }

  /** nf_tables carries its numbers in network byte order. */
  u32(type: number, value: number): void {
    const at = this.#attribute(type, 4);
    this.#bytes.writeUInt32BE(value >>> 0, at);
  }

  u64(type: number, value: bigint): void {
    const at = this.#attribute(type, 8);
    this.#bytes.writeBigUInt64BE(value, at);
  }

  u16(type: number, value: number): void {
    const at = this.#attribute(type, 2);
    this.#bytes.writeUInt16BE(value, at);
  }

  u8(type: number, value: number): void {
    this.#bytes[this.#attribute(type, 1)] = value;
  }

  /** NUL-terminated. Callers pass names made by this package; a NUL inside would cut the name short. */
  text(type: number, value: string): void {
    const size = Buffer.byteLength(value);
    const at = this.#attribute(type, size + 1);
    this.#bytes.write(value, at);
  }

  bytes(type: number, value: Uint8Array): void {
    const at = this.#attribute(type, value.length);
    this.#bytes.set(value, at);
  }

  hex(type: number, value: string): void {
    const at = this.#attribute(type, value.length / 2);
    // By hand, because a call out of JavaScript costs more than a short text, and there is one for each element.
    for (let digit = 0; digit < value.length; digit += 2) {
      const byte = (nibble(value.charCodeAt(digit)) << 4) | nibble(value.charCodeAt(digit + 1));
      this.#bytes[at + (digit >> 1)] = byte;
    }
  }

  nest(type: number, content: () => void): void {
    const start = this.reserve(headerBytes);
    content();
    this.#bytes.writeUInt16LE(this.#length - start, start);
    this.#bytes.writeUInt16LE(type | nestedFlag, start + 2);
  }

  #attribute(type: number, size: number): number {
    const start = this.reserve(headerBytes + ((size + 3) & ~3));
    this.#bytes.writeUInt16LE(headerBytes + size, start);
    this.#bytes.writeUInt16LE(type, start + 2);
    return start + headerBytes;
  }
}

/** The letters' codes begin at 1 after their low four bits are taken, and have bit 6. */
const nibble = (code: number) => (code & 15) + (code >> 6) * 9;

/** The attributes of one level, by type. A type that repeats keeps its last value; lists are read with `listAttributes`. */
export function readAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (const [type, value] of listAttributes(bytes)) found.set(type, value);
  return found;
}

export function* listAttributes(bytes: Buffer): Generator<readonly [type: number, value: Buffer]> {
  for (let at = 0; at + headerBytes <= bytes.length; ) {
    const size = bytes.readUInt16LE(at);
    if (size < headerBytes || at + size > bytes.length) return;
    yield [bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + headerBytes, at + size)];
    at += (size + 3) & ~3;
  }
}

/** A NUL-terminated text attribute. */
export function readText(value: Buffer | undefined): string {
  if (value === undefined) return "";
  const end = value.indexOf(0);
  return value.toString("utf8", 0, end < 0 ? value.length : end);
}

/** A text as an attribute by itself, for requests with few of them. */
export function textAttribute(type: number, text: string): Buffer {
  const size = Buffer.byteLength(text) + 1;
  const bytes = Buffer.alloc((4 + size + 3) & ~3);
  bytes.writeUInt16LE(4 + size, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.write(text, 4);
  return bytes;
}
