import { closeSync } from "node:fs";
import { constants } from "node:os";
import ipaddr from "ipaddr.js";
import koffi from "koffi";

const library = koffi.load(null);
const socket = library.func("int socket(int domain, int type, int protocol)");
const bind = library.func("int bind(int fd, const void *address, uint32_t length)");
const connect = library.func("int connect(int fd, const void *address, uint32_t length)");
const listen = library.func("int listen(int fd, int backlog)");
const accept4 = library.func("int accept4(int fd, void *address, void *length, int flags)");
const send = library.func("long send(int fd, const void *bytes, size_t length, int flags)");
const recv = library.func("long recv(int fd, void *into, size_t length, int flags)");
const sendto = library.func(
  "long sendto(int fd, const void *bytes, size_t length, int flags, const void *to, uint32_t size)",
);
const recvfrom = library.func(
  "long recvfrom(int fd, void *into, size_t length, int flags, void *from, void *size)",
);
const getsockopt = library.func("int getsockopt(int fd, int level, int name, void *value, void *length)");
const setsockopt = library.func(
  "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
);
const poll = library.func("int poll(void *fds, uint64_t count, int timeout)");

const nonBlocking = 0o4000 | 0o2000000;
const noSignal = 0x4000;
const kinds = { stream: 1, datagram: 2, raw: 3 } as const;
const domains = { 4: 2, 6: 10 } as const;
const solSocket = 1;
const ipv6Level = 41;
const option = { reuseAddress: 2, error: 4, linger: 13, onlyIpv6: 26 } as const;
export const pollIn = 1;
export const pollOut = 4;

export type Family = 4 | 6;

/**
 * A socket as the kernel gives it, which stays in the network namespace it was opened in and never blocks. Node.js opens its own a turn
 * of the event loop later, when the thread is home again.
 */
export class PosixSocket implements Disposable {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static open(family: Family, kind: keyof typeof kinds, protocol = 0): PosixSocket {
    return new PosixSocket(checked(socket(domains[family], kinds[kind] | nonBlocking, protocol), "socket"));
  }

  bind(address: string, port: number): void {
    this.#set(option.reuseAddress, 1);
    const bytes = socketAddress(address, port);
    checked(bind(this.#fd, bytes, bytes.length), `bind ${address} ${port}`);
  }

  /** Leaves IPv4 to another socket of the same port. */
  onlyIpv6(): void {
    this.#set(option.onlyIpv6, 1, ipv6Level);
  }

  listen(): void {
    checked(listen(this.#fd, 256), "listen");
  }

  /** Begins to connect; when it is done the socket is writable and `error` tells how it went. */
  connect(address: string, port: number): void {
    const bytes = socketAddress(address, port);
    const result = connect(this.#fd, bytes, bytes.length);
    if (result < 0 && koffi.errno() !== constants.errno.EINPROGRESS) checked(result, `connect ${address}`);
  }

  accept(): PosixSocket | undefined {
    const fd = accept4(this.#fd, null, null, nonBlocking);
    return fd < 0 ? undefined : new PosixSocket(fd);
  }

  /** The pending error's number, 0 when there is none. Asking clears it. */
  error(): number {
    const value = Buffer.alloc(4);
    checked(getsockopt(this.#fd, solSocket, option.error, value, lengthOf(4)), "getsockopt");
    return value.readInt32LE();
  }

  send(bytes: Buffer): boolean {
    return send(this.#fd, bytes, bytes.length, noSignal) === bytes.length;
  }

  receive(): Buffer | undefined {
    const size = recv(this.#fd, space, space.length, 0);
    return size < 0 ? undefined : Buffer.from(space.subarray(0, size));
  }

  /** A datagram, and its sender as `sendTo` wants it. */
  receiveFrom(): { readonly bytes: Buffer; readonly from: Buffer } | undefined {
    const from = Buffer.alloc(28);
    const length = lengthOf(28);
    const size = recvfrom(this.#fd, space, space.length, 0, from, length);
    if (size < 0) return undefined;
    return { bytes: Buffer.from(space.subarray(0, size)), from: from.subarray(0, length.readUInt32LE()) };
  }

  sendTo(bytes: Buffer, to: Buffer): void {
    sendto(this.#fd, bytes, bytes.length, noSignal, to, to.length);
  }

  /** Close with a reset, so that neither the port nor conntrack remembers the connection for long. */
  resetOnClose(): void {
    const value = Buffer.alloc(8);
    value.writeInt32LE(1);
    checked(setsockopt(this.#fd, solSocket, option.linger, value, 8), "set SO_LINGER");
  }

  /** What happened to which of the sockets, up to `timeout` milliseconds from now; zero where nothing did. */
  static poll(sockets: readonly PosixSocket[], events: readonly number[], timeout: number): number[] {
    const fds = Buffer.alloc(sockets.length * 8);
    for (const [index, each] of sockets.entries()) {
      fds.writeInt32LE(each.#fd, index * 8);
      fds.writeInt16LE(events[index] ?? pollIn, index * 8 + 4);
    }
    poll(fds, sockets.length, timeout);
    return sockets.map((_, index) => fds.readInt16LE(index * 8 + 6));
  }

  #set(name: number, value: number, level = solSocket): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    checked(setsockopt(this.#fd, level, name, bytes, 4), "setsockopt");
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

const space = Buffer.alloc(4096);

function lengthOf(bytes: number): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes);
  return length;
}

/** struct sockaddr_in and sockaddr_in6. */
export function socketAddress(address: string, port: number): Buffer {
  const raw = Buffer.from(ipaddr.parse(address).toByteArray());
  const six = raw.length === 16;
  const bytes = Buffer.alloc(six ? 28 : 16);
  bytes.writeUInt16LE(domains[six ? 6 : 4]);
  bytes.writeUInt16BE(port, 2);
  raw.copy(bytes, six ? 8 : 4);
  return bytes;
}

function checked(result: number, what: string): number {
  if (result >= 0) return result;
  throw new Error(`${what}: errno ${koffi.errno()}`);
}
