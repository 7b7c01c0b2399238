import type { BpfInstruction } from "./bpf.ts";
import { NetlinkError } from "./error.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

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
}

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
}

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
  /** Delivers frames as they come, on the main thread. At most one listener. */
  listen(
    handlers: FrameHandlers,
    options?: { readonly signal?: AbortSignal; readonly keepAlive?: boolean },
  ): Disposable;
  /** Sends a whole frame, from the destination MAC on. */
  send(frame: Uint8Array): void;
  close(): void;
}

export const PacketSocket = {
  /** Opens the socket. `NoDevice` when there is no such link, `Denied` without CAP_NET_RAW. */
  open(options: PacketSocketOptions): PacketSocket {
    throw new NetlinkError({
      code: "Unsupported",
      operation: "open packet socket",
      object: `dev ${options.linkIndex}`,
    });
  },
};
