/**
 * The objects the address manager keeps, exactly as they are stored (`projectcalico.org/v3`). Field names, defaults and meaning are
 * those of the incumbent, so data written by either side is read by the other.
 */

/** IPv4 or IPv6. */
export type Family = 4 | 6;

/** Metadata the address manager reads and writes. */
export interface IpamMetadata {
  readonly name: string;
  readonly uid?: string;
  /** Opaque. Present on everything read from a store; writes are conditional on it. */
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A `projectcalico.org/v3` object as it is stored. */
export interface IpamObject<Spec> {
  readonly metadata: IpamMetadata;
  readonly spec: Spec;
  /** Of an IPPool: the condition `Allocatable`. */
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
    }[];
  };
}

/** What a pool's addresses may be used for. */
export type PoolUse = "Workload" | "Tunnel" | "LoadBalancer";

/** Fields of an IPPool that address management looks at. */
export interface IPPoolSpec {
  readonly cidr: string;
  readonly vxlanMode?: "Never" | "Always" | "CrossSubnet";
  readonly ipipMode?: "Never" | "Always" | "CrossSubnet";
  readonly natOutgoing?: boolean;
  readonly disabled?: boolean;
  readonly disableBGPExport?: boolean;
  /** Prefix length of a block: 20–32 (default 26) for IPv4, 116–128 (default 122) for IPv6. */
  readonly blockSize?: number;
  readonly nodeSelector?: string;
  readonly namespaceSelector?: string;
  readonly allowedUses?: readonly PoolUse[];
  readonly assignmentMode?: "Automatic" | "Manual";
}

/** A string map as it stands in a block: `pod`, `namespace`, `node`, `timestamp`, `vmi-name` ... */
export type Attributes = Readonly<Record<string, string>>;

/** What one or more ordinals of a block point to. */
export interface BlockAttribute {
  readonly handle_id?: string | null;
  /** The active owner. The key kept its old name. */
  readonly secondary?: Attributes | null;
  /** The migration target that waits to become the active owner. */
  readonly alternateOwnerAttrs?: Attributes | null;
  /** RFC 3339. Set on an address that was released and cools down. */
  readonly releasedAt?: string | null;
}

/** A 64-bit counter. Beyond 2^53, where the incumbent's are, it is a bigint. */
export type Sequence = number | bigint;

/** A block as it is stored: `allocations[i]` is the index into `attributes` of its i-th address, or null. */
export interface IPAMBlockSpec {
  readonly cidr: string;
  /** `host:<node>` or `virtual:<name>`; absent when nobody has it. */
  readonly affinity?: string | null;
  readonly affinityClaimTime?: string | null;
  /** One entry per ordinal: null, or an index into `attributes`. */
  readonly allocations: readonly (number | null)[];
  /** Free ordinals, first in, first out. */
  readonly unallocated: readonly number[];
  readonly attributes: readonly BlockAttribute[];
  readonly sequenceNumber?: Sequence;
  /** Ordinal (as text) to the value `sequenceNumber` had when it was allocated. */
  readonly sequenceNumberForAllocation?: Readonly<Record<string, Sequence>> | null;
  readonly deleted?: boolean;
  readonly strictAffinity?: boolean;
}

/** Which node, which block, and how far the claim is. */
export interface BlockAffinitySpec {
  /** `""` is what old versions wrote for confirmed. */
  readonly state: "" | "pending" | "confirmed" | "pendingDeletion";
  readonly node: string;
  /** `""` means host. */
  readonly type?: string;
  readonly cidr: string;
  /** A boolean here, the texts "true" and "false" in data of the older API group. */
  readonly deleted?: boolean | "true" | "false";
}

/** How many addresses a handle has in each block. */
export interface IPAMHandleSpec {
  readonly handleID: string;
  /** Block CIDR to the number of addresses the handle holds there. */
  readonly block: Readonly<Record<string, number>>;
  readonly deleted?: boolean;
}

/** Settings of address management, one object `default` per cluster. */
export interface IPAMConfigurationSpec {
  readonly strictAffinity?: boolean;
  readonly autoAllocateBlocks?: boolean;
  /** 0 stands for the default of 20. */
  readonly maxBlocksPerHost?: number;
  readonly kubeVirtVMAddressPersistence?: "Enabled" | "Disabled";
  /** Seconds an address rests after its release, 0–1200. */
  readonly ipCooldownSeconds?: number;
}

/** Addresses that are never assigned automatically. */
export interface IPReservationSpec {
  readonly reservedCIDRs?: readonly string[];
}

/** Kind to spec: the six kinds of this package. */
export interface IpamSpecs {
  IPPool: IPPoolSpec;
  IPAMBlock: IPAMBlockSpec;
  BlockAffinity: BlockAffinitySpec;
  IPAMHandle: IPAMHandleSpec;
  IPAMConfiguration: IPAMConfigurationSpec;
  IPReservation: IPReservationSpec;
}

/** Names of the kinds the address manager keeps. */
export type IpamKind = keyof IpamSpecs;
/** All kinds the address manager keeps. */
export const ipamKinds: readonly IpamKind[] = [
  "IPPool",
  "IPAMBlock",
  "BlockAffinity",
  "IPAMHandle",
  "IPAMConfiguration",
  "IPReservation",
];

/** A pool of addresses. */
export type IPPool = IpamObject<IPPoolSpec>;
/** A block of addresses, and who has them. */
export type IPAMBlock = IpamObject<IPAMBlockSpec>;
/** A node's claim to a block; a hint, the block is the truth. */
export type BlockAffinity = IpamObject<BlockAffinitySpec>;
/** What one holder has, by block; an index, the blocks are the truth. */
export type IPAMHandle = IpamObject<IPAMHandleSpec>;
/** The settings in force. */
export type IPAMConfiguration = IpamObject<IPAMConfigurationSpec>;
/** Addresses kept out of automatic assignment. */
export type IPReservation = IpamObject<IPReservationSpec>;
