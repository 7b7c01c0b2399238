/**
 * Everything that decides what one node's BIRD says and hears, as plain data. The resource specs have the shapes of
 * `projectcalico.org/v3`.
 */

/** IP family of an address, a channel or a session. */
export type Family = 4 | 6;

/** A node as its BGP neighbours see it. Addresses carry no prefix length. */
export interface SpeakerNode {
  readonly name: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** Absent: the cluster's AS number. */
  readonly asNumber?: number;
  /** Set on a route reflector: it leaves the mesh and treats other nodes as its clients. Dotted quad. */
  readonly routeReflectorClusterId?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A `BGPFilter` rule; all matches present must hold, none matches everything. */
export interface BgpFilterRule {
  readonly action: "Accept" | "Reject";
  readonly cidr?: string;
  readonly matchOperator?: "Equal" | "NotEqual" | "In" | "NotIn";
  readonly prefixLength?: { readonly min?: number; readonly max?: number };
  readonly source?: "RemotePeers";
  /** Interface name with `*` as wildcard. */
  readonly interface?: string;
  readonly peerType?: "eBGP" | "iBGP";
  /** Exactly one value: `aa:nn` or `aa:nn:mm`. */
  readonly communities?: { readonly values: readonly string[] };
  readonly asPathPrefix?: readonly number[];
  /** A kernel metric; matches the local preference it maps to, and the elevated one those of the whole band. */
  readonly priority?: number;
  /** Only with `Accept`, applied in order. */
  readonly operations?: readonly BgpFilterOperation[];
}

/** What an accepting rule changes on a route. */
export interface BgpFilterOperation {
  readonly addCommunity?: { readonly value: string };
  /** The announced path begins with these numbers in this order. */
  readonly prependASPath?: { readonly prefix: readonly number[] };
  readonly setPriority?: { readonly value: number };
}

/** A BGPFilter by name, its rules in order. */
export interface BgpFilter {
  readonly name: string;
  readonly spec: {
    readonly importV4?: readonly BgpFilterRule[];
    readonly exportV4?: readonly BgpFilterRule[];
    readonly importV6?: readonly BgpFilterRule[];
    readonly exportV6?: readonly BgpFilterRule[];
  };
}

/** A key of a Secret in the agent's namespace, for a session's password. */
export interface SecretKeyRef {
  readonly name: string;
  readonly key: string;
}

/** A BGPPeer by name. */
export interface BgpPeer {
  readonly name: string;
  readonly spec: {
    readonly node?: string;
    readonly nodeSelector?: string;
    /** `address`, `address:port` or `[address]:port`. */
    readonly peerIP?: string;
    readonly asNumber?: number;
    readonly localASNumber?: number;
    readonly peerSelector?: string;
    readonly nextHopMode?: "Auto" | "Self" | "Keep";
    readonly keepOriginalNextHop?: boolean;
    readonly password?: { readonly secretKeyRef?: SecretKeyRef };
    readonly sourceAddress?: "UseNodeIP" | "None";
    /** Go duration such as `120s`. */
    readonly maxRestartTime?: string;
    readonly keepaliveTime?: string;
    readonly numAllowedLocalASNumbers?: number;
    /** Number of hops to the peer, 1 to 255. */
    readonly ttlSecurity?: number;
    readonly reachableBy?: string;
    readonly filters?: readonly string[];
    readonly localWorkloadSelector?: string;
    readonly reversePeering?: "Auto" | "Manual";
  };
}

/** The spec of the `BGPConfiguration` named `default`, as far as it concerns BIRD. */
export interface BgpConfiguration {
  readonly logSeverityScreen?: string;
  readonly nodeToNodeMeshEnabled?: boolean;
  readonly asNumber?: number;
  readonly listenPort?: number;
  readonly bindMode?: "None" | "NodeIP";
  readonly nodeMeshPassword?: { readonly secretKeyRef?: SecretKeyRef };
  readonly nodeMeshMaxRestartTime?: string;
  readonly ignoredInterfaces?: readonly string[];
  readonly communities?: readonly { readonly name: string; readonly value: string }[];
  readonly prefixAdvertisements?: readonly {
    readonly cidr: string;
    readonly communities: readonly string[];
  }[];
  readonly ipv4NormalRoutePriority?: number;
  readonly ipv6NormalRoutePriority?: number;
}

/** An IP pool, as far as routing cares. */
export interface SpeakerPool {
  readonly cidr: string;
  /** True: nothing of this pool is announced. */
  readonly disableBGPExport?: boolean;
}

/** Metrics of elevated workload routes, of which the lower one is better: `first` is what the settings call the elevated priority. */
export interface ElevatedBand {
  readonly first: number;
  readonly last: number;
}

/** All that one node's BIRD configuration depends on. */
export interface Speaker {
  /** The node whose BIRD this is. */
  readonly node: SpeakerNode;
  /** Dotted quad. Absent: the node's IPv4 address, or a number derived from its name. */
  readonly routerId?: string;
  /** All nodes of the cluster; this one may be among them. */
  readonly nodes: readonly SpeakerNode[];
  readonly configuration?: BgpConfiguration;
  readonly peers: readonly BgpPeer[];
  readonly filters: readonly BgpFilter[];
  /** IP pools of both families, disabled ones as well: addresses of theirs may be in use. */
  readonly pools: readonly SpeakerPool[];
  /** CIDRs of the confirmed IPAM blocks of this node, both families. */
  readonly blocks: readonly string[];
  /** Absent: only {@link defaultPriority}'s elevated metric. */
  readonly elevated?: Readonly<Record<Family, ElevatedBand>>;
  /** Service CIDRs this node announces. */
  readonly services?: readonly string[];
  /** Secrets referred to by peers and mesh, by `name/key`. */
  readonly passwords?: Readonly<Record<string, string>>;
}

/** Decides whether a selector of a `BGPPeer` picks a node with these labels. */
export type SelectorMatch = (selector: string, labels: Readonly<Record<string, string>>) => boolean;

/** A part of the input that was left out because BIRD cannot express it or it makes no sense. The rest is in force. */
export interface SpeakerProblem {
  /** For example `BGPPeer/rack1`. */
  readonly object: string;
  readonly field: string;
  readonly message: string;
}
