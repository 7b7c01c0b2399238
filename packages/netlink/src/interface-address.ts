import type { Family } from "./ip.ts";
import type { Scope } from "./route.ts";

/** An address of a link, as `ip address` shows it. */
export interface InterfaceAddress {
  readonly family: Family;
  readonly linkIndex: number;
  /** Address and prefix length: `10.0.0.1/24`, `fe80::1/64`. */
  readonly address: string;
  /** The far end of a point-to-point address. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly label: string | undefined;
  readonly scope: Scope;
  /** False for one with a lifetime (DHCP, SLAAC). */
  readonly permanent: boolean;
  /** Duplicate address detection is not over; IPv6 cannot use it yet. */
  readonly tentative: boolean;
  /** Duplicate address detection failed. */
  readonly duplicate: boolean;
  /** The kernel made no route for its prefix. */
  readonly noPrefixRoute: boolean;
}

/** An address to add to a link. */
export interface InterfaceAddressSpec {
  readonly linkIndex: number;
  /** Address and prefix length: `10.0.0.1/24`. */
  readonly address: string;
  readonly peer?: string;
  readonly broadcast?: string;
  readonly scope?: Scope;
  /** IPv6: skip duplicate address detection, usable at once. Default false. */
  readonly noDad?: boolean;
  /** Make no route for the prefix. Default false. */
  readonly noPrefixRoute?: boolean;
}

/** Which addresses are meant; what is absent matches all. */
export interface InterfaceAddressFilter {
  readonly family?: Family;
  readonly linkIndex?: number;
}

/** The addresses of the namespace's links. */
export interface InterfaceAddresses {
  /** `ip address show [dev NAME]` */
  list(filter?: InterfaceAddressFilter): InterfaceAddress[];
  /** `ip address add`. `AlreadyExists` when the link has it. */
  add(address: InterfaceAddressSpec): void;
  /** `ip address replace` */
  replace(address: InterfaceAddressSpec): void;
  /** `ip address delete`. `NotFound` when the link lacks it. */
  delete(address: Pick<InterfaceAddressSpec, "linkIndex" | "address">): void;
}
