import type { ConntrackEntry } from "@fairlead/netlink";
import type { Attachment, AttachmentStore } from "./attachment.ts";
import type { CniComponents } from "./components.ts";
import { isReplaced, isSamePod } from "./sandboxes.ts";

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
 * has by now (the VM came back), or a later sandbox of the same pod, is not absent.
 */
export function absenceOf(store: AttachmentStore, attachment: Attachment): Absence {
  const peers = store
    .list()
    .filter((other) =>
      isSamePod(other.pod, attachment.pod)
        ? other.generation > attachment.generation
        : !isReplaced(store, other),
    )
    .flatMap((other) => other.addresses);
  const addresses = attachment.addresses.filter((address) => !peers.includes(address));
  return { addresses, ...(attachment.vm && { peers }) };
}

/** UID by which an address is a VM's; undefined for an ordinary pod. */
export const vmUidOf = ({ vm }: Attachment) => vm && (vm.vmUid ?? vm.vmiUid);

/**
 * Before a pod is wired: forgets what the node tracked of others who had its addresses, and of its own VM when its guest comes from elsewhere. Costs
 * nothing for an address that no VM has left here.
 */
export async function settleIn(
  { attachments, wiring }: Pick<CniComponents, "attachments" | "wiring">,
  attachment: Attachment,
): Promise<void> {
  const { inheritance } = attachments;
  const { addresses, role } = attachment;
  const strange = addresses.filter((address) => {
    const owner = inheritance.ownerOf(address);
    // Notes that are lost can have been anybody's. A target's addresses were its VM's before, and its connections go on.
    if (owner === undefined) return role !== "target" && inheritance.mayLack(address);
    return owner !== vmUidOf(attachment);
  });
  if (strange.length > 0) await wiring.forget({ addresses: strange });
  // What this node saw of the guest's connections, should it have been here before, is out of date when it arrives.
  if (role === "target") await wiring.forget(absenceOf(attachments, attachment));
  for (const address of addresses) inheritance.settle(address);
}

/** When a pod has gone, before anybody else can get its addresses: forgets what cannot go on. */
export async function moveOut(
  { attachments, wiring }: Pick<CniComponents, "attachments" | "wiring">,
  attachment: Attachment,
): Promise<void> {
  const absence = absenceOf(attachments, attachment);
  const vmUid = vmUidOf(attachment);
  // Written first: whoever has the address next must not find the VM's connections, even if this process ends here.
  if (vmUid !== undefined)
    for (const address of absence.addresses) attachments.inheritance.leave(address, vmUid);
  await wiring.forget(absence);
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
