/** Tun and tap links (linux/if_tun.h, Documentation/networking/tuntap.rst). */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { systemError } from "./errno.ts";
import { NetlinkError } from "./error.ts";
import { errno, libc } from "./libc.ts";
import type { TunTapSpec } from "./link.ts";
import { checkLinkName } from "./link-codec.ts";
import type { NetworkNamespace } from "./network-namespace.ts";
import { OFFLOAD_LENGTH } from "./skipped-messages.ts";

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const TUNSETOFFLOAD = 0x400454d0;
/** Checksums, TCP segmentation of both families, and that of ECN. */
const TUN_F_ALL = 0x1 | 0x2 | 0x4 | 0x8;
const IFF_TUN = 0x1;
const IFF_TAP = 0x2;
const IFF_MULTI_QUEUE = 0x100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;
const LONGEST = 65_550;

/** `ip tuntap add`. `AlreadyExists` does not occur: the kernel says `Busy` for a name that is taken. */
export function createTunTap(spec: TunTapSpec, netns: NetworkNamespace): void {
  const name = checkLinkName(spec.name);
  const fd = netns.run(() => open(name));
  try {
    attach(fd, spec, IFF_TUN_EXCL);
    const settings = [
      [TUNSETOWNER, spec.owner],
      [TUNSETGROUP, spec.ownerGroup],
      [TUNSETPERSIST, 1],
    ] as const;
    for (const [command, value] of settings) {
      if (value === undefined || libc().ioctlValue(fd, command, value) === 0) continue;
      throw systemError(errno(), `configure ${spec.kind}`, name);
    }
  } finally {
    closeSync(fd);
  }
}

/** Makes the link, or joins it unless `exclusively`; returns its name. */
function attach(fd: number, spec: TunTapSpec, exclusively: number): string {
  const request = Buffer.alloc(40); // struct ifreq
  request.write(spec.name, 0);
  request.writeUInt16LE(flagsOf(spec) | exclusively, 16);
  if (libc().ioctl(fd, TUNSETIFF, request) !== 0) throw systemError(errno(), `add ${spec.kind}`, spec.name);
  return request.subarray(0, request.indexOf(0)).toString();
}

/** A frame of a tap, a packet of a tun. */
export interface TunTapFrame {
  readonly bytes: Buffer;
  /** What is left to do before it may be on a wire, a struct virtio_net_hdr (linux/virtio_net.h); offsets count from its first byte. */
  readonly offload: Buffer;
}

/** The program's side of a tun or tap link. */
export interface TunTap extends Disposable {
  readonly name: string;
  /** The next that the host sends through the link, or undefined. Never blocks. */
  read(): TunTapFrame | undefined;
  /** It arrives at the host through the link, as from a wire. */
  write(frame: TunTapFrame): void;
}

/** Which link to open, and how. */
export interface TunTapOptions {
  readonly kind: "tap" | "tun";
  /** One that nobody has opened, or a new one, which is down and goes with the value. The kernel counts where the name says `%d`. */
  readonly name: string;
  readonly netns: NetworkNamespace;
  /** Leave checksums and segmentation to the program. Default false. */
  readonly offloads?: boolean;
}

/** Opens tun and tap links, as QEMU does. */
export const TunTap = {
  open({ kind, name, netns, offloads = false }: TunTapOptions): TunTap {
    const fd = netns.run(() => open(name));
    try {
      const own = attach(fd, { kind, name, vnetHeader: true }, 0);
      if (offloads && libc().ioctlValue(fd, TUNSETOFFLOAD, TUN_F_ALL) !== 0)
        throw systemError(errno(), `configure ${kind}`, own);
      return new OpenTunTap(fd, own);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  },
};

class OpenTunTap implements TunTap {
  readonly name: string;
  readonly #fd: number;
  #isOpen = true;
  #room: Buffer | undefined;

  constructor(fd: number, name: string) {
    this.#fd = fd;
    this.name = name;
  }

  read(): TunTapFrame | undefined {
    this.#room ??= Buffer.alloc(OFFLOAD_LENGTH + LONGEST);
    const length = this.#call("read from", () => readSync(this.#fd, this.#room!));
    if (length === undefined) return undefined;
    const all = Buffer.from(this.#room.subarray(0, length));
    return { offload: all.subarray(0, OFFLOAD_LENGTH), bytes: all.subarray(OFFLOAD_LENGTH) };
  }

  write({ bytes, offload }: TunTapFrame): void {
    this.#call("write to", () => writeSync(this.#fd, Buffer.concat([offload, bytes])));
  }

  #call(verb: string, work: () => number): number | undefined {
    if (!this.#isOpen)
      throw new NetlinkError({ code: "Closed", operation: `${verb} link`, object: this.name });
    try {
      return work();
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "EAGAIN") return undefined;
      throw fileError(cause, `${verb} link`, this.name);
    }
  }

  [Symbol.dispose](): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}

function flagsOf(spec: TunTapSpec): number {
  return (
    (spec.kind === "tap" ? IFF_TAP : IFF_TUN) |
    IFF_NO_PI |
    (spec.vnetHeader === true ? IFF_VNET_HDR : 0) |
    (spec.multiQueue === true ? IFF_MULTI_QUEUE : 0)
  );
}

function open(name: string): number {
  try {
    return openSync("/dev/net/tun", constants.O_RDWR | constants.O_NONBLOCK);
  } catch (cause) {
    const advice = "Load the module tun, or make the device: mknod /dev/net/tun c 10 200";
    throw fileError(cause, "open /dev/net/tun for", name, advice);
  }
}

function fileError(cause: unknown, operation: string, name: string, advice?: string): NetlinkError {
  const number = cause instanceof Error && "errno" in cause ? -Number(cause.errno) : 0;
  return systemError(number, operation, name, { cause, ...(advice !== undefined && { advice }) });
}
