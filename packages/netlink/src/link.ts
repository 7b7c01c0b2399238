import type { NetworkNamespace } from "./network-namespace.ts";

/** A link by its index (a number) or by its name (a string). */
export type LinkSelector = number | string;

/** RFC 2863 operational state, as `ip link` prints it. */
export type OperState = "unknown" | "notpresent" | "down" | "lowerlayerdown" | "testing" | "dormant" | "up";

/** A network interface as the kernel reports it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, `tun`, ...; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** Hardware address, lower case with colons; undefined when the link has none. */
  readonly address: string | undefined;
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** IFF_LOWER_UP: the other end is there and up. */
  readonly carrier: boolean;
  readonly operState: OperState;
  /** Index of the bridge or other master. */
  readonly master: number | undefined;
  /** IFLA_LINK: a veth's other end, a VLAN's parent. An index in the namespace of `peerNamespaceId` if that is set. */
  readonly peerIndex: number | undefined;
  /** Namespace ID of the peer; undefined when it is in the same namespace. */
  readonly peerNamespaceId: number | undefined;
  readonly group: number;
  readonly txQueues: number;
  readonly rxQueues: number;
  /** IFF_* bits. */
  readonly flags: number;
  /** Set for a port of a bridge. */
  readonly bridgePort: BridgePort | undefined;
}

/** Settings of a bridge's port. */
export interface BridgePort {
  readonly learning: boolean;
  readonly isolated: boolean;
  readonly neighbourSuppression: boolean;
}

/** What any new link may be given. */
export interface LinkProperties {
  readonly name: string;
  /** Hardware address. The kernel draws one when it is absent. */
  readonly address?: string;
  /** Bytes. */
  readonly mtu?: number;
  readonly txQueues?: number;
  readonly rxQueues?: number;
  readonly group?: number;
  /** Index of the bridge to join. */
  readonly master?: number;
  /** Set up at once. Default false. */
  readonly up?: boolean;
  /** Create the link in this namespace. Default: the socket's. */
  readonly netns?: NetworkNamespace;
}

/** `ip link add NAME type veth peer name PEER netns NS` */
export interface VethSpec extends LinkProperties {
  readonly kind: "veth";
  readonly peer: Omit<LinkProperties, "master">;
}

/** `ip link add NAME type bridge` */
export interface BridgeSpec extends LinkProperties {
  readonly kind: "bridge";
  readonly stp?: boolean;
  /** Seconds a learned address lives; 0 makes the bridge flood everything. */
  readonly ageingTime?: number;
  /** Seconds in the listening and learning states; 0 forwards at once (needs `stp` off). */
  readonly forwardDelay?: number;
  readonly multicastSnooping?: boolean;
}

/** `ip link add NAME type dummy` */
export interface DummySpec extends LinkProperties {
  readonly kind: "dummy";
}

/** `ip tuntap add NAME mode tap vnet_hdr multi_queue user UID group GID`: persistent, to be opened by its user later. */
export interface TunTapSpec extends LinkProperties {
  readonly kind: "tap" | "tun";
  /** Each frame is preceded by a virtio_net_hdr; QEMU wants this. Default false. */
  readonly vnetHeader?: boolean;
  readonly multiQueue?: boolean;
  /** User ID that may open it. */
  readonly owner?: number;
  /** Group ID that may open it. */
  readonly ownerGroup?: number;
}

/** A link to add. */
export type LinkSpec = VethSpec | BridgeSpec | DummySpec | TunTapSpec;

/** What can be changed of a link; absent fields stay as they are. */
export interface LinkChange {
  readonly name?: string;
  readonly address?: string;
  readonly mtu?: number;
  readonly up?: boolean;
  readonly group?: number;
  /** Index of the new master; null leaves the present one. */
  readonly master?: number | null;
  /** Moves the link into this namespace; it arrives there down and without addresses. */
  readonly netns?: NetworkNamespace;
  /** Takes effect on a bridge port only. */
  readonly bridgePort?: Partial<BridgePort>;
}

/** Which links are meant; what is absent matches all. */
export interface LinkFilter {
  readonly kind?: string;
  readonly master?: number;
  readonly group?: number;
}

/** What went through a link since it was made, frames. */
export interface LinkStatistics {
  readonly received: number;
  /** Of a tun or tap: those that its program has read. */
  readonly sent: number;
  /** Those that were to be sent and found no room. */
  readonly unsent: number;
}

/** Links of one namespace. Every call is one kernel round trip (list: one dump). */
export interface Links {
  /** `ip -d link show` */
  list(filter?: LinkFilter): Link[];
  /** `ip -d link show dev NAME`; undefined when there is none. */
  get(link: LinkSelector): Link | undefined;
  /**
   * The other end of a veth, wherever it is: `ip -d link show dev NAME target-nsid ID`. Undefined when there is none. Its own peer and
   * namespace IDs are as that namespace sees them. Needs CAP_NET_ADMIN over the other namespace.
   */
  peerOf(link: Link): Link | undefined;
  /** `ip -s link show dev NAME`. `NoDevice` when there is no such link. */
  statistics(index: number): LinkStatistics;
  /**
   * Whether the other end of a link, a veth, is in that namespace: `ip -d link show dev NAME` says `link-netnsid`,
   * `ip netns list-id` whose that is. False when there is no such link.
   */
  leadsInto(link: LinkSelector, netns: NetworkNamespace): boolean;
  /** `ip link add`; returns the new link, for a veth its near end. `AlreadyExists` when the name is taken. */
  add(spec: LinkSpec): Link;
  /** `ip link set`. `NoDevice` when there is no such link. */
  set(link: LinkSelector, change: LinkChange): void;
  /** `ip link delete`. `NoDevice` when there is no such link. */
  delete(link: LinkSelector): void;
}
