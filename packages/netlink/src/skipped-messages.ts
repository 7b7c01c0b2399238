import { pointerTo } from "./libc.ts";

/** struct virtio_net_hdr. */
export const OFFLOAD_LENGTH = 10;

/**
 * An array of struct mmsghdr { msghdr; u32 len; } whose messages all go to one place where nobody reads them.
 * Its room is that of the header before a frame: the kernel refuses less.
 */
export class SkippedMessages {
  readonly most = 64;
  readonly bytes = Buffer.alloc(this.most * 64);
  readonly #room = Buffer.alloc(OFFLOAD_LENGTH);
  readonly #iovec = Buffer.alloc(16);

  constructor() {
    this.#iovec.writeBigUInt64LE(pointerTo(this.#room), 0);
    this.#iovec.writeBigUInt64LE(BigInt(this.#room.length), 8);
    for (let at = 0; at < this.bytes.length; at += 64) {
      this.bytes.writeBigUInt64LE(pointerTo(this.#iovec), at + 16);
      this.bytes.writeBigUInt64LE(1n, at + 24);
    }
  }
}
