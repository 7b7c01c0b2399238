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
  /** `conntrack -D`, of the entries for which `matches` is true (default: all that the filter means); returns how many were deleted. */
  delete(filter: ConntrackFilter, matches?: (entry: ConntrackEntry) => boolean): number;
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

  /** Entries of other addresses are left undecoded: a node may track a million of them. The kernel's own filter (CTA_FILTER) gets IPv6 wrong. */
  #find({ family, address }: ConntrackFilter): DecodedEntry[] {
    const bytes = address === undefined ? undefined : parseAddress(address);
    const wanted = bytes && formatAddress(bytes);
    const only = family ?? (wanted === undefined ? undefined : familyOfText(wanted));
    return this.#socket.dump(
      CT_GET,
      (writer) => encodeFamily(writer, only),
      ({ payload }) => {
        if (bytes !== undefined && !payload.includes(bytes)) return undefined;
        const found = decodeEntry(payload);
        return found !== undefined && (wanted === undefined || concerns(found.entry, wanted))
          ? found
          : undefined;
      },
      () => ({ operation: "list tracked connections" }),
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

  delete(filter: ConntrackFilter, matches: (entry: ConntrackEntry) => boolean = () => true): number {
    const found = this.#find(filter).filter(({ entry }) => matches(entry));
    const describe = () => ({ operation: "delete tracked connections of", object: filter.address ?? "all" });
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
