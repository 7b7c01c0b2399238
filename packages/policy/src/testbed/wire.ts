import { closeSync } from "node:fs";
import type { NetworkNamespace } from "@fairlead/netlink";
import koffi from "koffi";

const library = koffi.load(null);
const socket = library.func("int socket(int domain, int type, int protocol)");
const bind = library.func("int bind(int fd, const void *address, uint32_t length)");
const send = library.func("long send(int fd, const void *bytes, size_t length, int flags)");
const recv = library.func("long recv(int fd, void *into, size_t length, int flags)");
const setsockopt = library.func(
  "int setsockopt(int fd, int level, int name, const void *value, uint32_t length)",
);

/** The raw end of a link: frames go out as they are, and everything that arrives can be read. Calls never block. */
export class Wire implements Disposable {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(4096);

  constructor(netns: NetworkNamespace, linkIndex: number) {
    this.#fd = netns.run(() => {
      const fd = socket(17, 3 | 0o2000000, 0);
      if (fd < 0) throw new Error(`cannot open a packet socket: errno ${koffi.errno()}`);
      const one = Buffer.from([1, 0, 0, 0]);
      setsockopt(fd, 263, 23, one, 4); // PACKET_IGNORE_OUTGOING
      const address = Buffer.alloc(20);
      address.writeUInt16LE(17, 0);
      address.writeUInt16BE(3, 2); // ETH_P_ALL
      address.writeInt32LE(linkIndex, 4);
      if (bind(fd, address, 20) < 0)
        throw new Error(`cannot bind to link ${linkIndex}: errno ${koffi.errno()}`);
      return fd;
    });
  }

  send(frame: Buffer): void {
    if (send(this.#fd, frame, frame.length, 0) < 0)
      throw new Error(`cannot send a frame: errno ${koffi.errno()}`);
  }

  /** The next frame that has arrived, if one has. */
  receive(): Buffer | undefined {
    const size = recv(this.#fd, this.#buffer, this.#buffer.length, 0x40);
    return size < 0 ? undefined : Buffer.from(this.#buffer.subarray(0, size));
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
