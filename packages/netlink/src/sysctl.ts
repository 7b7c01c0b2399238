import { readFileSync, writeFileSync } from "node:fs";
import { NetlinkError } from "./error.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

/** Which namespace's value. */
export interface SysctlOptions {
  /** Namespace whose value is meant. Default: the calling thread's. */
  readonly netns?: NetworkNamespace;
}

/**
 * `sysctl -n net.ipv4.conf.eth0.forwarding`. The key is given as its path elements below /proc/sys/net, so that a link's name may contain dots:
 * `readSysctl(["ipv4", "conf", "eth0.5", "forwarding"])`. Returns the value without the newline.
 */
export function readSysctl(key: readonly string[], options: SysctlOptions = {}): string {
  const path = pathOf(key);
  return at(options.netns, "read sysctl", key, () => readFileSync(path, "utf8").trimEnd());
}

/** `sysctl -w net.ipv4.conf.eth0.forwarding=1`. `NotFound` when there is no such key (often: no such link). */
export function writeSysctl(
  key: readonly string[],
  value: string | number,
  options: SysctlOptions = {},
): void {
  const path = pathOf(key);
  at(options.netns, "write sysctl", key, () => writeFileSync(path, String(value), { flag: "r+" }));
}

/** A path element is one name: no slash, no NUL, not `.` or `..`; so no key leads out of /proc/sys/net. */
function pathOf(key: readonly string[]): string {
  const bad = key.find((part) => !/^[^/\0]{1,255}$/.test(part) || part === "." || part === "..");
  if (bad !== undefined || key.length < 2) {
    throw new NetlinkError({
      code: "Invalid",
      operation: "name sysctl",
      object: JSON.stringify(key),
      advice:
        'Give the path elements below /proc/sys/net, for example ["ipv4", "conf", "eth0", "forwarding"]',
    });
  }
  return `/proc/sys/net/${key.join("/")}`;
}

const codes = {
  ENOENT: "NotFound",
  EACCES: "Denied",
  EPERM: "Denied",
  EROFS: "Denied",
  EINVAL: "Invalid",
} as const;

function at<T>(
  netns: NetworkNamespace | undefined,
  operation: string,
  key: readonly string[],
  fn: () => T,
): T {
  try {
    return netns === undefined ? fn() : netns.run(fn);
  } catch (cause) {
    if (NetlinkError.is(cause)) throw cause;
    const errno = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
    throw new NetlinkError({
      code: Object.entries(codes).find(([name]) => name === errno)?.[1] ?? "Other",
      operation,
      object: `net/${key.join("/")}`,
      cause,
      ...(errno === undefined ? {} : { errno }),
      ...(errno === "EROFS" ? { advice: "/proc/sys is mounted read-only here; run privileged" } : {}),
    });
  }
}
