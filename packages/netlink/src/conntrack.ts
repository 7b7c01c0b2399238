import {
  CT_DELETE,
  CT_GET,
  CT_NEW,
  type DecodedEntry,
  decodeEntry,
  encodeEntry,
  encodeEntryKey,
  encodeFamily,
} from "./conntrack-codec.ts";
import type { ConntrackEntry, NewConntrackEntry } from "./conntrack-entry.ts";
import { type Family, familyOfText, formatAddress, parseAddress } from "./ip.ts";
import { NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL } from "./netlink-socket.ts";
import type { NetworkNamespace } from "./network-namespace.ts";

/** Which connections are meant; what is absent matches all. */
export interface ConntrackFilter {
  readonly family?: Family;
  /** Source or destination of either direction. */
  readonly address?: string;
}

/** The connection tracking table of one namespace. */
export interface Conntrack extends Disposable {
  /** `conntrack -L` */
  list(filter?: ConntrackFilter): ConntrackEntry[];
  /** `conntrack -I`. `AlreadyExists` when it is tracked. The protocol must need no state of its own: UDP, not TCP. */
  add(entry: NewConntrackEntry): void;
  /** `conntrack -D --orig-src A`, `--orig-dst A`, `--reply-src A`, `--reply-dst A`; returns how many were deleted. */
  deleteByAddress(address: string): number;
  close(): void;
}

/** Which namespace's connections. */
export interface ConntrackOptions {
  readonly netns?: NetworkNamespace;
  /** Milliseconds. Default 5000. */
  readonly deadline?: number;
}

const NETLINK_NETFILTER = 12;

class KernelConntrack implements Conntrack {
  readonly #socket: NetlinkSocket;

  constructor(options: ConntrackOptions) {
    this.#socket = NetlinkSocket.open(NETLINK_NETFILTER, options);
  }

  list(filter: ConntrackFilter = {}): ConntrackEntry[] {
    return this.#find(filter).map(({ entry }) => entry);
  }

  #find({ family, address }: ConntrackFilter): DecodedEntry[] {
    const wanted = address === undefined ? undefined : formatAddress(parseAddress(address));
    const only = family ?? (wanted === undefined ? undefined : familyOfText(wanted));
    const families: readonly Family[] = only === undefined ? [4, 6] : [only];
    return families.flatMap((one) =>
      this.#socket.dump(
        CT_GET,
        (writer) => encodeFamily(writer, one),
        ({ payload }) => {
          const found = decodeEntry(payload);
          return found !== undefined && (wanted === undefined || concerns(found.entry, wanted))
            ? found
            : undefined;
        },
        () => ({ operation: "list tracked connections" }),
      ),
    );
  }

  add(entry: NewConntrackEntry): void {
    const { source, destination } = entry.original;
    this.#socket.request(
      CT_NEW,
      NLM_F_CREATE | NLM_F_EXCL,
      (writer) => encodeEntry(writer, entry),
      () => ({ operation: "add tracked connection", object: `${source} to ${destination}` }),
    );
  }

  deleteByAddress(address: string): number {
    const found = this.#find({ address });
    const describe = () => ({ operation: "delete tracked connections of", object: address });
    const results = this.#socket.batch(
      found.map((item) => ({
        type: CT_DELETE,
        flags: 0,
        write: (writer) => encodeEntryKey(writer, item),
        describe,
      })),
    );
    // One that ended meanwhile is as good as deleted.
    const failed = results.find((error) => error !== undefined && error.code !== "NotFound");
    if (failed !== undefined) throw failed;
    return results.filter((error) => error === undefined).length;
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const concerns = ({ original, reply }: ConntrackEntry, address: string): boolean =>
  [original.source, original.destination, reply.source, reply.destination].includes(address);

/** Opens sockets to connection tracking. */
export const Conntrack = {
  /** Opens a socket to the connection tracking of a namespace. */
  open(options: ConntrackOptions = {}): Conntrack {
    return new KernelConntrack(options);
  },
};
