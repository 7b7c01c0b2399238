/**
 * struct msghdr for recvmsg(2), laid out by hand for 64-bit Linux, with the buffers it points to. Pointers stay valid because the buffers are
 * allocated once and kept here.
 *
 *     struct msghdr  { void *name; u32 namelen; iovec *iov; size_t iovlen; void *control; size_t controllen; int flags; }
 *     struct cmsghdr { size_t len; int level, type; }
 */
import { pointerTo } from "./libc.ts";

export interface ControlMessage {
  readonly level: number;
  readonly type: number;
  readonly data: Buffer;
}

const NAME_LENGTH = 8;
const CONTROL_LENGTH = 40;
const FLAGS = 48;

export class MessageHeader {
  readonly name: Buffer;
  readonly data: Buffer;
  readonly control = Buffer.alloc(256);
  /** What to hand to recvmsg. */
  readonly bytes = Buffer.alloc(56);
  readonly #iovec = Buffer.alloc(16);

  constructor(nameSize: number, dataSize: number) {
    this.name = Buffer.alloc(nameSize);
    this.data = Buffer.alloc(dataSize);
    this.#iovec.writeBigUInt64LE(pointerTo(this.data), 0);
    this.#iovec.writeBigUInt64LE(BigInt(dataSize), 8);
    this.bytes.writeBigUInt64LE(pointerTo(this.name), 0);
    this.bytes.writeBigUInt64LE(pointerTo(this.#iovec), 16);
    this.bytes.writeBigUInt64LE(1n, 24);
    this.bytes.writeBigUInt64LE(pointerTo(this.control), 32);
  }

  /** Before each call: the kernel overwrites these. */
  reset(): void {
    this.bytes.writeUInt32LE(this.name.length, NAME_LENGTH);
    this.bytes.writeBigUInt64LE(BigInt(this.control.length), CONTROL_LENGTH);
    this.bytes.writeInt32LE(0, FLAGS);
  }

  /** The control messages of the last call. */
  *controls(): Generator<ControlMessage> {
    const end = Math.min(Number(this.bytes.readBigUInt64LE(CONTROL_LENGTH)), this.control.length);
    for (let at = 0; at + 16 <= end; ) {
      const length = Number(this.control.readBigUInt64LE(at));
      if (length < 16 || length > end - at) return;
      yield {
        level: this.control.readInt32LE(at + 8),
        type: this.control.readInt32LE(at + 12),
        data: this.control.subarray(at + 16, at + length),
      };
      at += (length + 7) & ~7;
    }
  }
}
