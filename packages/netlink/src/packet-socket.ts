import { close } from "node:fs";
import { capabilityAdvice } from "./advice.ts";
import { readClocks, timespec } from "./both-clocks.ts";
import { type BpfInstruction, encodeProgram } from "./bpf.ts";
import { monotonicNow } from "./clock.ts";
import { systemError } from "./errno.ts";
import { NetlinkError } from "./error.ts";
import { errno, libc, pointerTo } from "./libc.ts";
import { MessageHeader } from "./message-header.ts";
import { type NetworkNamespace, namespaceOfSocket } from "./network-namespace.ts";
import type { Subscription } from "./route-event.ts";
import { subscribeRoutes } from "./route-subscription.ts";
import { OFFLOAD_LENGTH, SkippedMessages } from "./skipped-messages.ts";
import { watch } from "./waiter.ts";

/** Whom a frame was for (`sll_pkttype`, packet(7)). */
export type PacketDirection = "host" | "broadcast" | "multicast" | "otherhost" | "outgoing";

/** A frame heard on a link. */
export interface Frame {
  /** From the destination MAC on, without FCS. At most `snapLength` bytes. */
  readonly bytes: Buffer;
  /** Length on the wire. */
  readonly length: number;
  /** When the kernel received it: nanoseconds of CLOCK_MONOTONIC. */
  readonly at: bigint;
  readonly direction: PacketDirection;
  readonly linkIndex: number;
  /**
   * With `offloads`: what whoever made the frame has left to the network card, a struct virtio_net_hdr (linux/virtio_net.h). A frame may
   * then be longer than the MTU and its checksum not yet there.
   */
  readonly offload?: Buffer;
}

/** At which link a packet socket listens, and for what. */
export interface PacketSocketOptions {
  readonly netns?: NetworkNamespace;
  readonly linkIndex: number;
  /** Classic BPF, run by the kernel; a frame it returns 0 for never reaches this process. Default: everything. */
  readonly filter?: readonly BpfInstruction[];
  /** Hear only what arrives at the link, not what this host sends through it. Default true. */
  readonly ignoreOutgoing?: boolean;
  /** Longest frame kept, bytes. Default 2048. */
  readonly snapLength?: number;
  /** Bytes of frames the kernel keeps while nobody reads. Default 256 KiB. */
  readonly receiveBuffer?: number;
  /** Give `offload` with each frame. Default false. */
  readonly offloads?: boolean;
  /** Say when the kernel received each frame. False: `at` is when it was read, at a third of the cost. Default true. */
  readonly timestamps?: boolean;
}

/** What becomes of frames. */
export interface FrameHandlers {
  onFrame(frame: Frame): void;
  /** The link went down (`NetworkDown`) or away (`NoDevice`), or frames were lost (`Overrun`). */
  onError?(error: Error): void;
}

/** An AF_PACKET socket on one link. */
export interface PacketSocket extends Disposable {
  readonly linkIndex: number;
  /** The next frame that waits, or undefined. Never blocks. */
  receive(): Frame | undefined;
  /** Drops up to `count` frames that wait, the oldest first; returns how many there were. Never blocks. */
  skip(count: number): number;
  /** Delivers frames as they come, on the main thread. At most one listener. */
  listen(
    handlers: FrameHandlers,
    options?: { readonly signal?: AbortSignal; readonly keepAlive?: boolean },
  ): Disposable;
  /** Sends a whole frame, from the destination MAC on. */
  send(frame: Uint8Array): void;
  close(): void;
}

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const ETH_P_ALL = 0x0003;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const EINTR = 4;
const EAGAIN = 11;
const ENODEV = 19;
const ENETDOWN = 100;

/** Frames per wake-up, so that a flood leaves the event loop its turn; the rest wakes again. */
const MOST_AT_ONCE = 64;

/** PACKET_HOST and so on (linux/if_packet.h). */
const directions: readonly PacketDirection[] = ["host", "broadcast", "multicast", "otherhost", "outgoing"];

class KernelPacketSocket implements PacketSocket {
  readonly linkIndex: number;
  #fd: number;
  #listening: Disposable | undefined;
  #linkWatch: Subscription | undefined;
  readonly #header: MessageHeader;
  /** Bytes before each frame. */
  readonly #prefix: number;
  readonly #isStamped: boolean;
  #skipped: SkippedMessages | undefined;

  constructor({ linkIndex, filter, ...options }: PacketSocketOptions) {
    this.linkIndex = linkIndex;
    this.#isStamped = options.timestamps !== false;
    this.#prefix = options.offloads === true ? OFFLOAD_LENGTH : 0;
    this.#header = new MessageHeader(20, this.#prefix + (options.snapLength ?? 2048));
    // Protocol 0: hears nothing until it is bound.
    this.#fd = libc().socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (this.#fd < 0) {
      throw this.#error("open", capabilityAdvice("CAP_NET_RAW"));
    }
    try {
      // Only these options may be missing; without them a filter sees outgoing frames, or a frame's time is when it was read.
      if (options.ignoreOutgoing !== false) this.#option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
      if (this.#isStamped) this.#option(SOL_SOCKET, SO_TIMESTAMPNS, 1);
      this.#option(SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBuffer ?? 256 * 1024);
      if (this.#prefix > 0 && !this.#option(SOL_PACKET, PACKET_VNET_HDR, 1)) throw this.#error("open");
      // The filter before the bind: no frame it would drop can slip in between.
      if (filter !== undefined) this.#attach(filter);
      this.#bind();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #bind(): void {
    const address = sockaddr(this.linkIndex);
    if (libc().bind(this.#fd, address, address.length) !== 0) throw this.#error("bind");
  }

  #attach(filter: readonly BpfInstruction[]): void {
    const program = encodeProgram(filter);
    const descriptor = Buffer.alloc(16); // struct sock_fprog { u16 len; struct sock_filter *filter; }
    descriptor.writeUInt16LE(filter.length, 0);
    descriptor.writeBigUInt64LE(pointerTo(program), 8);
    if (libc().setsockopt(this.#fd, SOL_SOCKET, SO_ATTACH_FILTER, descriptor, 16) !== 0) {
      throw this.#error("attach filter to");
    }
  }

  #option(level: number, name: number, value: number): boolean {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return libc().setsockopt(this.#fd, level, name, bytes, 4) === 0;
  }

  get #open(): number {
    if (this.#fd >= 0) return this.#fd;
    throw new NetlinkError({
      code: "Closed",
      operation: "use packet socket",
      object: `dev ${this.linkIndex}`,
    });
  }

  receive(): Frame | undefined {
    const header = this.#header;
    for (;;) {
      header.reset();
      const length = libc().recvmsg(this.#open, header.bytes, MSG_TRUNC);
      if (length >= 0) return this.#frame(length);
      const number = errno();
      if (number === EAGAIN) return undefined;
      if (number === EINTR) continue;
      const cause = number === ENETDOWN && this.#linkIsGone() ? ENODEV : number;
      throw systemError(cause, "receive from packet socket", `dev ${this.linkIndex}`);
    }
  }

  /** The kernel says ENETDOWN for a link that went down and for one that went away; then it has also unbound the socket. */
  #linkIsGone(): boolean {
    const address = Buffer.alloc(20);
    const length = Buffer.from([20, 0, 0, 0]);
    return libc().getsockname(this.#open, address, length) === 0 && address.readInt32LE(4) <= 0;
  }

  skip(count: number): number {
    this.#skipped ??= new SkippedMessages();
    let skipped = 0;
    while (skipped < count) {
      const { bytes, most } = this.#skipped;
      const wanted = Math.min(count - skipped, most);
      const got = libc().recvmmsg(this.#open, bytes, wanted, MSG_TRUNC | MSG_DONTWAIT, null);
      if (got > 0) skipped += got;
      if (got === wanted) continue;
      const number = got < 0 ? errno() : EAGAIN;
      if (number === EINTR) continue;
      if (number === EAGAIN) break;
      throw systemError(number, "skip frames of packet socket", `dev ${this.linkIndex}`);
    }
    return skipped;
  }

  #frame(length: number): Frame {
    const { name, data } = this.#header;
    const prefix = this.#prefix;
    return {
      bytes: Buffer.from(data.subarray(prefix, Math.min(length, data.length))),
      ...(prefix > 0 && { offload: Buffer.from(data.subarray(0, prefix)) }),
      length: length - prefix,
      at: this.#time(),
      direction: directions[name[10] ?? 0] ?? "otherhost",
      linkIndex: name.readInt32LE(4),
    };
  }

  /** The kernel stamps frames with the wall clock; its distance to the monotonic clock is taken now, so a later step of it does no harm. */
  #time(): bigint {
    if (!this.#isStamped) return monotonicNow();
    const { now, realtime } = readClocks();
    for (const { level, type, data } of this.#header.controls()) {
      if (level !== SOL_SOCKET || type !== SO_TIMESTAMPNS || data.length < 16) continue;
      const age = realtime - timespec(data);
      return age >= 0n && age < now ? now - age : now;
    }
    return now;
  }

  listen(
    { onFrame, onError }: FrameHandlers,
    { signal, keepAlive }: { readonly signal?: AbortSignal; readonly keepAlive?: boolean } = {},
  ): Disposable {
    if (this.#listening !== undefined) {
      throw new NetlinkError({
        code: "Busy",
        operation: "listen on packet socket",
        object: `dev ${this.linkIndex}`,
      });
    }
    signal?.throwIfAborted();
    const watching = watch(this.#open, () => this.#drain(onFrame, onError), { keepAlive });
    const listening = {
      [Symbol.dispose]: () => {
        signal?.removeEventListener("abort", listening[Symbol.dispose]);
        if (this.#listening === listening) this.#listening = undefined;
        this.#stopWatchingLink();
        watching[Symbol.dispose]();
      },
    };
    signal?.addEventListener("abort", listening[Symbol.dispose], { once: true });
    this.#listening = listening;
    return listening;
  }

  #drain(onFrame: FrameHandlers["onFrame"], onError: FrameHandlers["onError"]): void {
    const listening = this.#listening;
    for (let read = 0; read < MOST_AT_ONCE; read++) {
      if (this.#listening === undefined || this.#listening !== listening) return;
      let frame: Frame | undefined;
      try {
        frame = this.receive();
      } catch (error) {
        if (!NetlinkError.is(error)) throw error;
        onError?.(error);
        // Nothing more will come from a link that is gone.
        if (error.code === "NoDevice" || error.code === "Closed") listening?.[Symbol.dispose]();
        if (error.code === "NetworkDown") this.#watchLink(onError);
        return;
      }
      if (frame === undefined) return;
      onFrame(frame);
    }
  }

  /** A link that is down may be deleted, and then the kernel tells a packet socket nothing. Ends when it is up again. */
  #watchLink(onError: FrameHandlers["onError"]): void {
    if (this.#linkWatch !== undefined) return;
    using netns = namespaceOfSocket(this.#open);
    this.#linkWatch = subscribeRoutes(
      netns,
      ["link"],
      (event) => {
        if (this.#linkIsGone()) {
          const gone = systemError(ENODEV, "receive from packet socket", `dev ${this.linkIndex}`);
          this.#listening?.[Symbol.dispose]();
          onError?.(gone);
        } else if (event.type === "link" && event.link.index === this.linkIndex && event.link.up) {
          this.#stopWatchingLink();
        }
      },
      { keepAlive: false },
    );
  }

  #stopWatchingLink(): void {
    this.#linkWatch?.close();
    this.#linkWatch = undefined;
  }

  send(frame: Uint8Array): void {
    if (libc().send(this.#open, frame, frame.length, 0) === frame.length) return;
    throw this.#error("send on");
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#listening?.[Symbol.dispose]();
    // The kernel lets go of a packet socket only after all CPUs have (synchronize_net, 10 ms and more): not on the main thread.
    close(this.#fd, () => {});
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #error(verb: string, advice?: string): NetlinkError {
    return systemError(errno(), `${verb} packet socket`, `dev ${this.linkIndex}`, { advice });
  }
}

/** struct sockaddr_ll { u16 family; be16 protocol; i32 ifindex; u16 hatype; u8 pkttype, halen, addr[8]; } */
function sockaddr(linkIndex: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P_ALL, 2);
  address.writeInt32LE(linkIndex, 4);
  return address;
}

/** Opens packet sockets. */
export const PacketSocket = {
  /** Opens the socket. `NoDevice` when there is no such link, `Denied` without CAP_NET_RAW. */
  open({ netns, ...options }: PacketSocketOptions): PacketSocket {
    const open = () => new KernelPacketSocket(options);
    return netns === undefined ? open() : netns.run(open);
  },
};
