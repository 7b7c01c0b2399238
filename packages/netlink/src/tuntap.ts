/** Persistent tun and tap links (linux/if_tun.h, Documentation/networking/tuntap.rst). */
import { closeSync, openSync } from "node:fs";
import { systemError } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import type { TunTapSpec } from "./link.ts";
import { checkLinkName } from "./link-codec.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const TUNSETGROUP = 0x400454ce;
const IFF_TUN = 0x1;
const IFF_TAP = 0x2;
const IFF_MULTI_QUEUE = 0x100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;

/** `ip tuntap add`. `AlreadyExists` does not occur: the kernel says `Busy` for a name that is taken. */
export function createTunTap(spec: TunTapSpec, netns: NetworkNamespace): void {
  const name = checkLinkName(spec.name);
  const fd = netns.run(() => open(name));
  try {
    const request = Buffer.alloc(40); // struct ifreq
    request.write(name, 0);
    request.writeUInt16LE(flagsOf(spec), 16);
    if (libc().ioctl(fd, TUNSETIFF, request) !== 0) throw systemError(errno(), `add ${spec.kind}`, name);
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

function flagsOf(spec: TunTapSpec): number {
  return (
    (spec.kind === "tap" ? IFF_TAP : IFF_TUN) |
    IFF_NO_PI |
    IFF_TUN_EXCL |
    (spec.vnetHeader === true ? IFF_VNET_HDR : 0) |
    (spec.multiQueue === true ? IFF_MULTI_QUEUE : 0)
  );
}

function open(name: string): number {
  try {
    return openSync("/dev/net/tun", "r+");
  } catch (cause) {
    const number = cause instanceof Error && "errno" in cause ? -Number(cause.errno) : 0;
    throw systemError(number, "open /dev/net/tun for", name, {
      advice: "Load the module tun, or make the device: mknod /dev/net/tun c 10 200",
      cause,
    });
  }
}
