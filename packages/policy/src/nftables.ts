/**
 * The Linux side: policy in the kernel's nf_tables, over netlink. Everything else of this package imports anywhere.
 *
 * @packageDocumentation
 */
export { createNftablesDataplane, type NftablesDataplaneOptions } from "./nftables/dataplane.ts";
