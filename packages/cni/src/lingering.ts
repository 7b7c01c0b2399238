import type { ConntrackEntry } from "@fairlead/netlink";
import type { Attachment, AttachmentStore } from "./attachment.ts";

/** Addresses whose pod is not on the node: it leaves, or its guest has not arrived yet. */
export interface Absence {
  /** Plain addresses. */
  readonly addresses: readonly string[];
  /**
   * Addresses on the node whose connections with the absent one go on, because a VM lives on elsewhere. The node's own
   * always belong to them. Undefined: the address is nobody's, no connection goes on.
   */
  readonly peers?: readonly string[];
}

/**
 * What the node has to forget when the pod leaves, or before its guest arrives. An address that another pod of the node
 * has by now (the VM came back) is not absent.
 */
export function absenceOf(store: AttachmentStore, attachment: Attachment): Absence {
  const peers = store
    .list()
    .filter((other) => other.hostInterface !== attachment.hostInterface)
    .flatMap((other) => other.addresses);
  const addresses = attachment.addresses.filter((address) => !peers.includes(address));
  return { addresses, ...(attachment.vm && { peers }) };
}

/**
 * Whether the node sees no more packets of a tracked connection of an absent address. Such an entry must go: the kernel
 * compares sequence numbers with those it saw last, so a VM that comes back would find its connections
 * `invalid`, and the next owner of the address would find them `established`.
 */
export function lingers(
  { original, reply, zone }: Pick<ConntrackEntry, "original" | "reply" | "zone">,
  address: string,
  peers: ReadonlySet<string> | undefined,
): boolean {
  // Other zones are other programs'.
  if (zone !== 0) return false;
  if (!peers) return true;
  const byAddress = original.source === address;
  const isTranslated = original.source !== reply.destination || original.destination !== reply.source;
  // The node translates what comes to a service wherever the VM is, but what the VM sends only where it is.
  if (isTranslated) return byAddress;
  return !peers.has(byAddress ? original.destination : original.source);
}
