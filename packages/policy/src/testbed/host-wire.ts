import { closeSync } from "node:fs";
import type { NetworkNamespace } from "@fairlead/netlink";
import koffi from "koffi";
import { frameFrom, sendMark, Testbed, type TestWorkload } from "./testbed.ts";

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

let marks = 0;

/**
 * Whether a frame gets to the node itself. After it come marks over the uplink that no policy holds up (reports of multicast listeners):
 * when they are there and the frame is not, it was dropped.
 */
export function arrivesAtNode(
  testbed: Testbed,
  host: HostWire,
  from: Pick<TestWorkload, "wire">,
  frame: Buffer,
): boolean {
  while (host.receive() !== undefined);
  from.wire.send(frame);
  const expected = frame.subarray(frame.readUInt16BE(12) === 0x0800 ? 34 : 54);
  let arrived = false;
  for (let round = 0; round < 3; round++) {
    const rest = Buffer.alloc(20);
    rest.writeUInt32BE(++marks, 16);
    const mark = frameFrom(testbed.uplink, {
      source: "2001:db8:100::1",
      destination: Testbed.node6,
      payload: { protocol: "icmp", type: 131, code: 0, rest },
    });
    sendMark(
      () => testbed.uplink.wire.send(mark),
      () => {
        const packet = host.receive();
        if (packet?.equals(expected)) arrived = true;
        return packet?.equals(mark.subarray(54)) ? "mark" : packet;
      },
    );
  }
  // Each protocol has a socket of its own; the mark is in another one than the frame.
  for (let packet = host.receive(); packet !== undefined; packet = host.receive())
    if (packet.equals(expected)) arrived = true;
  return arrived;
}
