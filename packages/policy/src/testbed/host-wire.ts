import { closeSync } from "node:fs";
import type { NetworkNamespace } from "@fairlead/netlink";
import koffi from "koffi";

const library = koffi.load(null);
const socket = library.func("int socket(int domain, int type, int protocol)");
const recv = library.func("long recv(int fd, void *into, size_t length, int flags)");

const nonBlockingRaw = 3 | 0o2000000 | 0o4000;
const domains = { ipv4: 2, ipv6: 10 } as const;
const protocols = { ipv4: [1, 6, 17, 132], ipv6: [58, 6, 17, 132] } as const;

/** What arrives on the node itself, past the firewall: everything after the IP header. */
export class HostWire implements Disposable {
  readonly #sockets: readonly { readonly fd: number; readonly header: boolean }[];
  readonly #buffer = Buffer.alloc(4096);

  constructor(netns: NetworkNamespace) {
    this.#sockets = netns.run(() =>
      (["ipv4", "ipv6"] as const).flatMap((family) =>
        protocols[family].map((protocol) => {
          const fd = socket(domains[family], nonBlockingRaw, protocol);
          if (fd < 0) throw new Error(`cannot open a raw socket: errno ${koffi.errno()}`);
          return { fd, header: family === "ipv4" };
        }),
      ),
    );
  }

  receive(): Buffer | undefined {
    for (const { fd, header } of this.#sockets) {
      const size = recv(fd, this.#buffer, this.#buffer.length, 0);
      if (size > 0) return Buffer.from(this.#buffer.subarray(header ? 20 : 0, size));
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#sockets) closeSync(fd);
  }
}
