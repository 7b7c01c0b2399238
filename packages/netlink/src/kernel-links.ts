import { NetlinkError } from "./error.ts";
import type {
  Link,
  LinkChange,
  LinkFilter,
  LinkSelector,
  LinkSpec,
  LinkStatistics,
  Links,
  TunTapSpec,
} from "./link.ts";
import {
  decodeLink,
  decodeStatistics,
  encodeBridgePort,
  encodeLink,
  encodeLinkChange,
  encodeLinkQuery,
  encodeSelector,
  encodeStatisticsQuery,
  RTM_DELLINK,
  RTM_GETLINK,
  RTM_GETSTATS,
  RTM_NEWLINK,
} from "./link-codec.ts";
import { matchesLink } from "./link-filter.ts";
import { decodeNamespaceId, encodeNamespaceIdQuery, RTM_GETNSID } from "./namespace-id.ts";
import { NetlinkSocket, NLM_F_CREATE, NLM_F_EXCL } from "./netlink-socket.ts";
import type { NetworkNamespace } from "./network-namespace.ts";
import { createTunTap } from "./tuntap.ts";

/** `Links` of the kernel. */
export class KernelLinks implements Links {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  list(filter: LinkFilter = {}): Link[] {
    return this.#socket.dump(
      RTM_GETLINK,
      (writer) => encodeLinkQuery(writer),
      ({ payload }) => {
        const link = decodeLink(payload);
        return link !== undefined && matchesLink(link, filter) ? link : undefined;
      },
      () => ({ operation: "list links" }),
    );
  }

  get(link: LinkSelector): Link | undefined {
    return this.#find(link);
  }

  peerOf({ peerIndex, peerNamespaceId }: Link): Link | undefined {
    return peerIndex === undefined ? undefined : this.#find(peerIndex, peerNamespaceId);
  }

  #find(link: LinkSelector, namespaceId?: number): Link | undefined {
    let found: Link | undefined;
    try {
      this.#socket.request(
        RTM_GETLINK,
        0,
        (writer) => encodeLinkQuery(writer, link, namespaceId),
        () => ({ operation: "get link", object: `${link}` }),
        ({ payload }) => {
          found = decodeLink(payload);
        },
      );
    } catch (error) {
      if (NetlinkError.is(error) && error.code === "NoDevice") return undefined;
      throw error;
    }
    return found;
  }

  statistics(index: number): LinkStatistics {
    let found: LinkStatistics | undefined;
    const describe = () => ({ operation: "get statistics of link", object: `${index}` });
    this.#socket.request(
      RTM_GETSTATS,
      0,
      (writer) => encodeStatisticsQuery(writer, index),
      describe,
      ({ payload }) => {
        found = decodeStatistics(payload);
      },
    );
    if (found !== undefined) return found;
    throw new NetlinkError({ code: "Malformed", ...describe(), detail: "the kernel's answer is empty" });
  }

  leadsInto(link: LinkSelector, netns: NetworkNamespace): boolean {
    // Reading a link gives the namespace of its peer an ID, so the ID is asked for afterwards.
    const peer = this.get(link)?.peerNamespaceId;
    return peer !== undefined && peer === this.#idOf(netns);
  }

  #idOf(netns: NetworkNamespace): number | undefined {
    let found: number | undefined;
    this.#socket.request(
      RTM_GETNSID,
      0,
      (writer) => encodeNamespaceIdQuery(writer, netns),
      () => ({ operation: "get ID of network namespace", object: netns.path ?? `net:[${netns.inode}]` }),
      ({ payload }) => {
        found = decodeNamespaceId(payload);
      },
    );
    return found;
  }

  add(spec: LinkSpec): Link {
    if (isTunTap(spec)) return this.#addTunTap(spec);
    this.#socket.request(
      RTM_NEWLINK,
      NLM_F_CREATE | NLM_F_EXCL,
      (writer) => encodeLink(writer, spec),
      () => ({ operation: `add ${spec.kind}`, object: spec.name }),
    );
    return this.#in(spec.netns, (links) => {
      if (spec.kind === "veth" && spec.peer.up === true) {
        try {
          this.#in(spec.peer.netns, (there) => there.set(spec.peer.name, { up: true }));
        } catch (error) {
          links.delete(spec.name);
          throw error;
        }
      }
      return links.#existing(spec.name);
    });
  }

  /** Made by /dev/net/tun, not by netlink; the rest of its properties follow. */
  #addTunTap({ netns, ...spec }: TunTapSpec): Link {
    return this.#in(netns, (links) => {
      using here = links.#socket.namespace();
      createTunTap(spec, here);
      try {
        const { address, mtu, group, master, up } = spec;
        links.set(spec.name, defined({ address, mtu, group, master, up }));
        return links.#existing(spec.name);
      } catch (error) {
        links.delete(spec.name);
        throw error;
      }
    });
  }

  #in<T>(netns: NetworkNamespace | undefined, act: (links: KernelLinks) => T): T {
    if (netns === undefined) return act(this);
    using there = NetlinkSocket.open(0, { netns });
    return act(new KernelLinks(there));
  }

  set(link: LinkSelector, change: LinkChange): void {
    const index = typeof link === "number" ? link : this.#existing(link, "set link").index;
    const describe = () => ({ operation: "set link", object: `${link}` });
    const { bridgePort, ...rest } = change;
    if (Object.values(rest).some((value) => value !== undefined)) {
      this.#socket.request(RTM_NEWLINK, 0, (writer) => encodeLinkChange(writer, index, rest), describe);
    }
    if (bridgePort !== undefined) {
      this.#socket.request(RTM_NEWLINK, 0, (writer) => encodeBridgePort(writer, index, bridgePort), describe);
    }
  }

  delete(link: LinkSelector): void {
    this.#socket.request(
      RTM_DELLINK,
      0,
      (writer) => encodeSelector(writer, link),
      () => ({ operation: "delete link", object: `${link}` }),
    );
  }

  #existing(name: string, operation = "get link"): Link {
    const link = this.get(name);
    if (link !== undefined) return link;
    throw new NetlinkError({ code: "NoDevice", errno: "ENODEV", operation, object: name });
  }
}

const defined = (change: { [K in keyof LinkChange]: LinkChange[K] | undefined }): LinkChange =>
  Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));

const isTunTap = (spec: LinkSpec): spec is TunTapSpec => spec.kind === "tap" || spec.kind === "tun";
