/**
 * The C library, through koffi. A call costs well under a microsecond plus the system call. Loaded at the first use, so that importing
 * the package does no harm where there is no Linux.
 *
 * Failures are returned (-1) and read with `errno()`; `error.ts` gives them a name.
 */
import { endianness } from "node:os";
import koffi from "koffi";
import { NetlinkError } from "./error.ts";

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  connect(fd: number, address: Buffer, length: number): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  recv(fd: number, into: Buffer, length: number, flags: number): number;
  /** `header` is a struct msghdr laid out by hand; see `message-header.ts`. */
  recvmsg(fd: number, header: Buffer, flags: number): number;
  /** `messages`: an array of struct mmsghdr laid out by hand. */
  recvmmsg(fd: number, messages: Buffer, count: number, flags: number, timeout: null): number;
  setsockopt(fd: number, level: number, name: number, value: Buffer, length: number): number;
  getsockname(fd: number, address: Buffer, length: Buffer): number;
  ioctl(fd: number, request: number, argument: Buffer): number;
  /** ioctl whose argument is a number. */
  ioctlValue(fd: number, request: number, value: number): number;
  setns(fd: number, kind: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: null): number;
  umount2(target: string, flags: number): number;
  dup(fd: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(epoll: number, op: number, fd: number, event: Buffer): number;
  epoll_wait(epoll: number, events: Buffer, count: number, timeout: number): number;
  eventfd(initial: number, flags: number): number;
  clock_gettime(clock: number, timespec: Buffer): number;
  /** syscall(2) with three arguments. */
  syscall3(call: number, first: number, second: Buffer, third: number): number;
}

let loaded: Libc | undefined;

/** The C library. Throws `Unsupported` where it is not a little-endian Linux. */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/** Where a buffer is. Valid as long as the buffer is referenced; Node.js does not move buffers. */
export const pointerTo = (buffer: Buffer): bigint => BigInt(koffi.address(buffer));

export const errno = (): number => koffi.errno();

function load(): Libc {
  if (process.platform !== "linux" || endianness() !== "LE") {
    throw new NetlinkError({
      code: "Unsupported",
      operation: "load libc",
      object: `${process.platform} ${process.arch}`,
      advice: "This package needs Linux on a little-endian machine (x86-64, arm64, riscv64)",
    });
  }
  const library = koffi.load(null);
  return {
    socket: library.func("int socket(int domain, int type, int protocol)"),
    bind: library.func("int bind(int fd, const void *address, uint32_t length)"),
    connect: library.func("int connect(int fd, const void *address, uint32_t length)"),
    send: library.func("long send(int fd, const void *bytes, size_t length, int flags)"),
    recv: library.func("long recv(int fd, void *into, size_t length, int flags)"),
    recvmsg: library.func("long recvmsg(int fd, void *header, int flags)"),
    recvmmsg: library.func(
      "int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)",
    ),
    setsockopt: library.func(
      "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
    ),
    getsockname: library.func("int getsockname(int fd, void *address, void *length)"),
    ioctl: library.func("int ioctl(int fd, unsigned long request, void *argument)"),
    ioctlValue: library.func("ioctl", "int", ["int", "unsigned long", "unsigned long"]),
    setns: library.func("int setns(int fd, int kind)"),
    unshare: library.func("int unshare(int flags)"),
    mount: library.func(
      "int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)",
    ),
    umount2: library.func("int umount2(const char *target, int flags)"),
    dup: library.func("int dup(int fd)"),
    fcntl: library.func("int fcntl(int fd, int command, int argument)"),
    epoll_create1: library.func("int epoll_create1(int flags)"),
    epoll_ctl: library.func("int epoll_ctl(int epoll, int op, int fd, void *event)"),
    epoll_wait: library.func("int epoll_wait(int epoll, void *events, int count, int timeout)"),
    eventfd: library.func("int eventfd(unsigned int initial, int flags)"),
    syscall3: library.func("syscall", "long", ["long", "long", "void *", "long"]),
    clock_gettime: library.func("int clock_gettime(int clock, void *timespec)"),
  };
}
