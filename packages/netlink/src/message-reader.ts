/** Netlink messages and attributes, read without trust in any length they state. */
import { NetlinkError } from "./error.ts";

/** One message of a datagram. `payload` is a view of the bytes after the header. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

const HEADER = 16;
const align = (length: number) => (length + 3) & ~3;

/** The messages of one datagram, in order. Throws `Malformed` when one does not fit. */
export function* readMessages(datagram: Buffer): Generator<Message> {
  for (let at = 0; at < datagram.length; ) {
    const length = at + HEADER <= datagram.length ? datagram.readUInt32LE(at) : 0;
    if (length < HEADER || length > datagram.length - at) {
      throw malformed("message", `${length} bytes at ${at} of ${datagram.length}`);
    }
    yield {
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      payload: datagram.subarray(at + HEADER, at + length),
    };
    at += align(length);
  }
}

/** Attributes by type; of a repeated type the last. The getters return undefined when it is absent and throw `Malformed` when it is too short. */
export class Attributes {
  readonly #values = new Map<number, Buffer>();

  /** Reads the attributes in `bytes` from `offset` on. Throws `Malformed` when one does not fit. */
  constructor(bytes: Buffer, offset = 0) {
    if (offset > bytes.length) throw malformed("message", `${bytes.length} bytes, its header has ${offset}`);
    // Up to three bytes of padding may follow the last one.
    for (let at = offset; at + 4 <= bytes.length; ) {
      const length = bytes.readUInt16LE(at);
      if (length < 4 || length > bytes.length - at) {
        throw malformed("attribute", `${length} bytes at ${at} of ${bytes.length}`);
      }
      this.#values.set(bytes.readUInt16LE(at + 2) & TYPE_MASK, bytes.subarray(at + 4, at + length));
      at += align(length);
    }
  }

  bytes(type: number): Buffer | undefined {
    return this.#values.get(type);
  }

  u8(type: number): number | undefined {
    return this.#atLeast(type, 1)?.[0];
  }

  u16(type: number): number | undefined {
    return this.#atLeast(type, 2)?.readUInt16LE(0);
  }

  /** Big-endian, as netfilter writes its numbers. */
  u16be(type: number): number | undefined {
    return this.#atLeast(type, 2)?.readUInt16BE(0);
  }

  u32(type: number): number | undefined {
    return this.#atLeast(type, 4)?.readUInt32LE(0);
  }

  u32be(type: number): number | undefined {
    return this.#atLeast(type, 4)?.readUInt32BE(0);
  }

  i32(type: number): number | undefined {
    return this.#atLeast(type, 4)?.readInt32LE(0);
  }

  /** Up to the first NUL. */
  string(type: number): string | undefined {
    const bytes = this.#values.get(type);
    if (bytes === undefined) return undefined;
    const end = bytes.indexOf(0);
    return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
  }

  nested(type: number): Attributes | undefined {
    const bytes = this.#values.get(type);
    return bytes === undefined ? undefined : new Attributes(bytes);
  }

  #atLeast(type: number, size: number): Buffer | undefined {
    const bytes = this.#values.get(type);
    if (bytes !== undefined && bytes.length < size) {
      throw malformed("attribute", `type ${type} has ${bytes.length} bytes, needs ${size}`);
    }
    return bytes;
  }
}

/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const TYPE_MASK = 0x3fff;

/** Throws `Malformed` when a fixed header is not all there. */
export function needHeader(payload: Buffer, size: number, name: string): void {
  if (payload.length < size) throw malformed(name, `${payload.length} bytes, needs ${size}`);
}

export const malformed = (object: string, detail: string): NetlinkError =>
  new NetlinkError({ code: "Malformed", operation: "read netlink", object, detail });
