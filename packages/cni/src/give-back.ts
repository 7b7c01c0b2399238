import type { Attachment } from "./attachment.ts";
import type { CniComponents } from "./components.ts";
import { remove } from "./del.ts";
import { vmUidOf } from "./lingering.ts";
import { isSamePod } from "./sandboxes.ts";

/**
 * Removes what earlier sandboxes of a pod left, once a new one has been wired. A runtime that retries with new sandboxes
 * need not call DEL for the ones that failed, and each holds addresses. What cannot be given back now does not stop the
 * new one: it stays written, and the next ADD, a DEL or GC tries again.
 */
export async function giveBack(
  components: CniComponents,
  earlier: readonly Attachment[],
  signal: AbortSignal,
): Promise<void> {
  for (const old of earlier)
    try {
      await remove(components, old, signal);
      components.log.info(
        { pod: old.pod, containerId: old.containerId, addresses: old.addresses },
        "an earlier sandbox of the pod has given back what it held",
      );
    } catch (err) {
      components.log.warn(
        { pod: old.pod, containerId: old.containerId, err },
        "an earlier sandbox of the pod holds its addresses still; the next ADD, DEL or GC gives them back",
      );
    }
}

/**
 * The same before the new sandbox has addresses, for those that have no interface any more. A VM's sandboxes share the
 * VM's addresses, so waiting costs them nothing.
 */
export async function giveBackGone(
  components: CniComponents,
  earlier: readonly Attachment[],
  signal: AbortSignal,
): Promise<void> {
  const gone: Attachment[] = [];
  for (const old of earlier) if (!old.vm && !(await hasInterface(components, old))) gone.push(old);
  await giveBack(components, gone, signal);
}

/**
 * An address that a pod gets has no other holder but pods of the same VM. Where another pod is written to have it, the
 * address manager took it from that pod, which is gone, without a DEL. Left in the record it would count as present on the
 * node when its new holder leaves, and whoever has it next would inherit connections.
 */
export function correctHolders(
  { attachments, log }: Pick<CniComponents, "attachments" | "log">,
  attachment: Attachment,
): void {
  const vmUid = vmUidOf(attachment);
  for (const other of attachments.list()) {
    if (isSamePod(other.pod, attachment.pod) || (vmUid !== undefined && vmUidOf(other) === vmUid)) continue;
    const addresses = other.addresses.filter((address) => !attachment.addresses.includes(address));
    if (addresses.length === other.addresses.length) continue;
    log.warn(
      {
        pod: attachment.pod,
        addresses: attachment.addresses,
        before: other.pod,
        containerId: other.containerId,
      },
      "a pod gets an address that was noted for another pod, which has it no longer",
    );
    attachments.put({ ...other, addresses });
  }
}

/** Whether the link that ADD made is there still. */
async function hasInterface(
  { wiring }: CniComponents,
  { hostInterface, linkIndex, netns }: Attachment,
): Promise<boolean> {
  const [end] = await wiring.look({ hostInterfaces: [hostInterface], netns });
  return end !== undefined && (linkIndex === undefined ? end.leadsThere : end.linkIndex === linkIndex);
}
