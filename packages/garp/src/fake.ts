/**
 * Announcements in memory: links that exist only here, frames that are put on them by hand. The frames go through the real filter program and the
 * real classification.
 *
 * @packageDocumentation
 */

import type { FrameHandlers } from "@fairlead/netlink";
import {
  monotonicNow,
  NetlinkError,
  type PacketSocket,
  type PacketSocketOptions,
  runProgram,
} from "@fairlead/netlink";
import { buildRarp } from "./build.ts";
import type { ListenerComponents } from "./hearing.ts";
import { type AnnouncementListener, createAnnouncementListener } from "./listen.ts";

export { buildAdvertisement, buildGratuitousArp, buildRarp } from "./build.ts";

/** Links in memory on which frames are sent by calling a function. */
export interface FakeAnnouncements extends AnnouncementListener {
  /** For `createAnnouncementListener` and `announcements`. */
  readonly components: ListenerComponents;
  addLink(linkIndex: number): void;
  /** Whoever listens on it fails with `LinkMissing`. */
  removeLink(linkIndex: number): void;
  /** The next attempts to open a socket fail with these. */
  failNextOpen(...errors: readonly NetlinkError[]): void;
  /** A frame arrives at the link from the guest's side. */
  deliver(linkIndex: number, frame: Buffer, at?: bigint): void;
  /** The guest with this MAC announces itself by RARP. */
  announce(linkIndex: number, mac: string, at?: bigint): void;
  /** How many sockets are open on the link. */
  listeners(linkIndex: number): number;
}

/** Links 1 to 64 exist at first. */
export function createFakeAnnouncements(): FakeAnnouncements {
  const links = new Map(Array.from({ length: 64 }, (_, i) => [i + 1, new Set<FakePacketSocket>()] as const));
  const failures: NetlinkError[] = [];
  const openSocket = (options: PacketSocketOptions): PacketSocket => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    const sockets = links.get(options.linkIndex);
    if (sockets === undefined) throw noDevice(options.linkIndex);
    return new FakePacketSocket(options, sockets);
  };
  const components: ListenerComponents = { openSocket, wait: async () => {} };
  const deliver = (linkIndex: number, frame: Buffer, at = monotonicNow()) => {
    for (const socket of [...(links.get(linkIndex) ?? [])]) socket.hear(frame, at);
  };
  return {
    components,
    listen: createAnnouncementListener(components).listen,
    addLink: (linkIndex) => void links.set(linkIndex, new Set()),
    removeLink(linkIndex) {
      const sockets = links.get(linkIndex) ?? [];
      links.delete(linkIndex);
      for (const socket of [...sockets]) socket.fail(noDevice(linkIndex));
    },
    failNextOpen: (...errors) => void failures.push(...errors),
    deliver,
    announce: (linkIndex, mac, at) => deliver(linkIndex, buildRarp(mac), at),
    listeners: (linkIndex) => links.get(linkIndex)?.size ?? 0,
  };
}

const noDevice = (linkIndex: number): NetlinkError =>
  new NetlinkError({
    code: "NoDevice",
    errno: "ENODEV",
    operation: "open packet socket",
    object: `dev ${linkIndex}`,
  });

class FakePacketSocket implements PacketSocket {
  readonly linkIndex: number;
  readonly #options: PacketSocketOptions;
  readonly #all: Set<FakePacketSocket>;
  #handlers: FrameHandlers | undefined;

  constructor(options: PacketSocketOptions, all: Set<FakePacketSocket>) {
    this.linkIndex = options.linkIndex;
    this.#options = options;
    this.#all = all;
    all.add(this);
  }

  hear(frame: Buffer, at: bigint): void {
    const kept = this.#options.filter === undefined ? frame.length : runProgram(this.#options.filter, frame);
    if (kept === 0) return;
    const bytes = Buffer.from(frame.subarray(0, kept));
    this.#handlers?.onFrame({
      bytes,
      length: frame.length,
      at,
      direction: "broadcast",
      linkIndex: this.linkIndex,
    });
  }

  fail(error: NetlinkError): void {
    this.#handlers?.onError?.(error);
  }

  listen(handlers: FrameHandlers): Disposable {
    this.#handlers = handlers;
    return {
      [Symbol.dispose]: () => {
        this.#handlers = undefined;
      },
    };
  }

  receive(): undefined {
    return undefined;
  }

  skip(): number {
    return 0;
  }

  send(): void {}

  close(): void {
    this.#handlers = undefined;
    this.#all.delete(this);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
