/**
 * Netlink messages, written one after the other into one buffer (RFC 3549, linux/netlink.h).
 *
 *     struct nlmsghdr { u32 len; u16 type; u16 flags; u32 seq; u32 pid; }   then a fixed header, then attributes
 *     struct nlattr   { u16 len; u16 type; }                                 then its value; everything starts at a multiple of 4
 */
export class MessageWriter {
  #buffer: Buffer;
  #length = 0;
  #start = 0;

  constructor(capacity = 4096) {
    this.#buffer = Buffer.alloc(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** The messages; valid until the next write. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** The whole backing store, of which the first `length` bytes count. Saves a view per system call. */
  get store(): Buffer {
    return this.#buffer;
  }

  clear(): void {
    this.#length = 0;
  }

  /** Starts a message; `end` completes its length. */
  begin(type: number, flags: number, sequence: number): void {
    const at = this.#reserve(16);
    this.#start = at;
    this.#buffer.writeUInt16LE(type, at + 4);
    this.#buffer.writeUInt16LE(flags, at + 6);
    this.#buffer.writeUInt32LE(sequence, at + 8);
    this.#buffer.writeUInt32LE(0, at + 12);
  }

  end(): void {
    this.#buffer.writeUInt32LE(this.#length - this.#start, this.#start);
  }

  /** Adds flags to the message being written or just ended. */
  addFlags(flags: number): void {
    const at = this.#start + 6;
    this.#buffer.writeUInt16LE(this.#buffer.readUInt16LE(at) | flags, at);
  }

  /** A fixed header (struct rtmsg, ifinfomsg, ...) of `size` bytes, zeroed; returns where it starts. Write it with `put*`. */
  header(size: number): number {
    const at = this.#reserve((size + 3) & ~3);
    this.#buffer.fill(0, at, this.#length);
    return at;
  }

  put8(at: number, value: number): void {
    this.#buffer[at] = value;
  }

  put16(at: number, value: number): void {
    this.#buffer.writeUInt16LE(value, at);
  }

  put32(at: number, value: number): void {
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  u8(type: number, value: number): void {
    this.#buffer[this.#attribute(type, 1)] = value;
  }

  u16(type: number, value: number): void {
    const at = this.#attribute(type, 2);
    this.#buffer.writeUInt16LE(value, at);
  }

  u32(type: number, value: number): void {
    const at = this.#attribute(type, 4);
    this.#buffer.writeUInt32LE(value >>> 0, at);
  }

  bytesOf(type: number, value: Uint8Array): void {
    const at = this.#attribute(type, value.length);
    this.#buffer.set(value, at);
  }

  /** NUL-terminated. */
  string(type: number, value: string): void {
    this.bytesOf(type, Buffer.from(`${value}\0`));
  }

  /** An attribute made of attributes. */
  nest(type: number, write: () => void): void {
    const at = this.#reserve(4);
    this.#buffer.writeUInt16LE(type | NLA_F_NESTED, at + 2);
    write();
    this.#buffer.writeUInt16LE(this.#length - at, at);
  }

  #attribute(type: number, size: number): number {
    const padded = (size + 7) & ~3;
    const at = this.#reserve(padded);
    this.#buffer.writeUInt16LE(size + 4, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    if (size & 3) this.#buffer.fill(0, at + 4 + size, at + padded);
    return at + 4;
  }

  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length));
      this.#buffer.copy(larger, 0, 0, at);
      this.#buffer = larger;
    }
    return at;
  }
}

export const NLA_F_NESTED = 0x8000;
