import { closeSync, fstatSync, openSync, unlinkSync } from "node:fs";
import { errnoName, systemError } from "./errno.ts";
import { NetlinkError } from "./error.ts";
import { errno, libc } from "./libc.ts";

/** Where to find a network namespace: a path, a process, or an open file descriptor (which is duplicated). */
export type NamespaceSource = string | { readonly pid: number } | { readonly fd: number };

/**
 * A network namespace, held open by a file descriptor. It lives as long as this value, a process in it, or a bind mount of it.
 * Use it with `using`.
 */
export interface NetworkNamespace extends Disposable {
  /** The file descriptor. Throws `Closed` after `close`. */
  readonly fd: number;
  /** Identity: two values with the same inode (on one machine, while both are open) are the same namespace. */
  readonly inode: number;
  /** The path it was opened from or bound to, for messages. */
  readonly path: string | undefined;
  /**
   * Calls `fn` with the calling thread inside the namespace and comes back, also when it throws. Synchronous only: `fs.*Sync` inside
   * sees this namespace's /proc/sys/net, sockets opened inside stay in it. Throws `Invalid` when `fn` returns a promise.
   */
  run<T>(fn: () => T): T;
  /**
   * Keeps the namespace alive at a path (`ip netns attach`), whose directory must exist. `AlreadyExists` when the path does.
   * Undone by `NetworkNamespace.remove(path)`.
   */
  bind(path: string): void;
  equals(other: NetworkNamespace): boolean;
  close(): void;
}

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const F_DUPFD_CLOEXEC = 1030;
const SIOCGSKNS = 0x894c;
const threadNamespace = "/proc/thread-self/ns/net";

class OpenNamespace implements NetworkNamespace {
  readonly inode: number;
  readonly path: string | undefined;
  #fd: number;

  constructor(fd: number, path: string | undefined) {
    this.#fd = fd;
    this.path = path;
    this.inode = fstatSync(fd).ino;
  }

  get fd(): number {
    if (this.#fd >= 0) return this.#fd;
    throw new NetlinkError({ code: "Closed", operation: "use network namespace", object: this.#label });
  }

  run<T>(fn: () => T): T {
    const fd = this.fd;
    const home = openSync(threadNamespace, "r");
    try {
      enter(fd, this.#label);
      try {
        const result = fn();
        if (!isPromise(result)) return result;
        throw new NetlinkError({
          code: "Invalid",
          operation: "run in network namespace",
          object: this.#label,
          advice:
            "The function must be synchronous: after its first await it would run in the wrong namespace",
        });
      } finally {
        enter(home, "the thread's own");
      }
    } finally {
      closeSync(home);
    }
  }

  bind(path: string): void {
    try {
      closeSync(openSync(path, "wx", 0o444));
    } catch (cause) {
      throw fileError(cause, "bind network namespace", path);
    }
    if (libc().mount(`/proc/self/fd/${this.fd}`, path, null, MS_BIND, null) === 0) return;
    const number = errno();
    unlinkSync(path);
    throw systemError(number, "bind network namespace", path, {
      advice: "Mounting needs CAP_SYS_ADMIN and a file system that takes bind mounts (/run/netns)",
    });
  }

  equals(other: NetworkNamespace): boolean {
    return other.inode === this.inode;
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #label(): string {
    return this.path ?? `net:[${this.inode}]`;
  }
}

/** Opens and creates network namespaces. */
export const NetworkNamespace = {
  /** Opens an existing namespace. `NotFound` when path or process do not exist, `Invalid` when it is something else. */
  open(source: NamespaceSource): NetworkNamespace {
    if (typeof source === "object" && "fd" in source) return duplicate(source.fd);
    const path = typeof source === "string" ? source : `/proc/${source.pid}/ns/net`;
    let fd: number;
    try {
      fd = openSync(path, "r");
    } catch (cause) {
      throw fileError(cause, "open network namespace", path);
    }
    return checked(fd, path);
  },

  /** The calling thread's namespace. */
  current(): NetworkNamespace {
    return new OpenNamespace(openSync(threadNamespace, "r"), undefined);
  },

  /** A new namespace with only a loopback link that is down (`unshare -n`); it ends when the value is closed. */
  create(): NetworkNamespace {
    const home = openSync(threadNamespace, "r");
    try {
      if (libc().unshare(CLONE_NEWNET) !== 0) {
        throw systemError(errno(), "create network namespace", undefined, {
          advice: "It needs CAP_SYS_ADMIN",
        });
      }
      try {
        return NetworkNamespace.current();
      } finally {
        enter(home, "the thread's own");
      }
    } finally {
      closeSync(home);
    }
  },

  /** A new namespace that stays at a path (`ip netns add`). `AlreadyExists` when the path does. */
  createAt(path: string): NetworkNamespace {
    using fresh = NetworkNamespace.create();
    fresh.bind(path);
    return NetworkNamespace.open(path);
  },

  /** `ip netns delete`: takes away the path. What still runs in the namespace keeps it alive. */
  remove(path: string): void {
    if (libc().umount2(path, MNT_DETACH) !== 0 && errnoName(errno()) !== "EINVAL") {
      throw systemError(errno(), "remove network namespace", path);
    }
    unlinkSync(path);
  },
};

/** The namespace a socket lives in. Needs CAP_NET_ADMIN. */
export function namespaceOfSocket(socket: number): NetworkNamespace {
  const fd = libc().ioctl(socket, SIOCGSKNS, Buffer.alloc(0));
  if (fd < 0)
    throw systemError(errno(), "find namespace of socket", undefined, { advice: "It needs CAP_NET_ADMIN" });
  return new OpenNamespace(fd, undefined);
}

function enter(fd: number, label: string): void {
  if (libc().setns(fd, CLONE_NEWNET) === 0) return;
  throw systemError(errno(), "enter network namespace", label, { advice: "It needs CAP_SYS_ADMIN" });
}

function duplicate(fd: number): NetworkNamespace {
  const copy = libc().fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw systemError(errno(), "open network namespace", `fd ${fd}`);
  return checked(copy, undefined);
}

/** A file that is no network namespace is found out now, not at the first use. */
function checked(fd: number, path: string | undefined): NetworkNamespace {
  const NS_GET_NSTYPE = 0xb703;
  if (libc().ioctl(fd, NS_GET_NSTYPE, Buffer.alloc(0)) === CLONE_NEWNET) return new OpenNamespace(fd, path);
  closeSync(fd);
  throw new NetlinkError({
    code: "Invalid",
    operation: "open network namespace",
    object: path ?? "fd",
    detail: "it is not a network namespace",
    advice: "Was the namespace deleted and only its file left, or its mount not propagated here?",
  });
}

function fileError(cause: unknown, operation: string, path: string): NetlinkError {
  const name = cause instanceof Error && "errno" in cause ? -Number(cause.errno) : 0;
  const known = systemError(name, operation, path);
  return new NetlinkError({ code: known.code, errno: errnoName(name), operation, object: path, cause });
}

const isPromise = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
