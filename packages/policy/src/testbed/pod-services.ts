import type { NetworkNamespace } from "@fairlead/netlink";
import { type Family, PosixSocket } from "./posix-socket.ts";
import { answerInit, chunkOf, sctp } from "./sctp-init.ts";

/** Where every pod listens, with TCP and UDP; SCTP is answered on any port. */
export const servedPorts = [79, 80, 81, 82] as const;

const families: readonly Family[] = [4, 6];

/**
 * The servers of one pod. TCP and UDP send back what they get. SCTP is not in every kernel, so an INIT is answered with an INIT ACK
 * from a raw socket, which is as far as a firewall can tell a handshake.
 */
export class PodServices implements Disposable {
  readonly #listeners: readonly PosixSocket[];
  readonly #datagrams: readonly PosixSocket[];
  /** Servers and clients share it: what arrives is told apart by its chunk. */
  readonly raw: Readonly<Record<Family, PosixSocket>>;
  readonly #connections = new Set<PosixSocket>();

  constructor(netns: NetworkNamespace) {
    const everywhere = <T>(make: (family: Family, port: number) => T) =>
      families.flatMap((family) => servedPorts.map((port) => make(family, port)));
    [this.#listeners, this.#datagrams, this.raw] = netns.run(() => [
      everywhere((family, port) => listening(family, port)),
      everywhere((family, port) => bound(family, "datagram", port)),
      { 4: PosixSocket.open(4, "raw", sctp), 6: PosixSocket.open(6, "raw", sctp) },
    ]);
  }

  get sockets(): readonly PosixSocket[] {
    return [...this.#listeners, ...this.#datagrams, ...this.#connections, this.raw[4], this.raw[6]];
  }

  /** Answers everything that has arrived. `established` gets the ports (source) of INIT ACKs that came for clients. */
  serve(established: (port: number) => void): void {
    for (const listener of this.#listeners) {
      for (let next = listener.accept(); next !== undefined; next = listener.accept()) {
        next.resetOnClose();
        this.#connections.add(next);
      }
    }
    for (const connection of this.#connections) {
      const bytes = connection.receive();
      if (bytes !== undefined && bytes.length > 0) connection.send(bytes);
    }
    for (const datagram of this.#datagrams) {
      for (let got = datagram.receiveFrom(); got !== undefined; got = datagram.receiveFrom())
        datagram.sendTo(got.bytes, got.from);
    }
    for (const family of families) {
      const raw = this.raw[family];
      for (let got = raw.receiveFrom(); got !== undefined; got = raw.receiveFrom()) {
        const message = family === 4 ? got.bytes.subarray(((got.bytes[0] ?? 0) % 16) * 4) : got.bytes;
        const chunk = chunkOf(message);
        if (chunk === "INIT") raw.sendTo(answerInit(message), got.from);
        else if (chunk === "INIT ACK") established(message.readUInt16BE(2));
      }
    }
  }

  /** Ends the connections clients have opened. */
  hangUp(): void {
    for (const connection of this.#connections) connection[Symbol.dispose]();
    this.#connections.clear();
  }

  [Symbol.dispose](): void {
    for (const each of this.sockets) each[Symbol.dispose]();
  }
}

function bound(family: Family, kind: "stream" | "datagram", port: number): PosixSocket {
  const socket = PosixSocket.open(family, kind);
  if (family === 6) socket.onlyIpv6();
  socket.bind(family === 4 ? "0.0.0.0" : "::", port);
  return socket;
}

function listening(family: Family, port: number): PosixSocket {
  const socket = bound(family, "stream", port);
  socket.listen();
  return socket;
}
