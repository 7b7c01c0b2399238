import type { Attachment } from "./attachment.ts";
import type { CniComponents } from "./components.ts";
import { removeEndpointStatus } from "./endpoint-status.ts";
import { asAddressError } from "./error.ts";
import { hostInterfaceNames } from "./interface-name.ts";
import { moveOut } from "./lingering.ts";
import type { CniRequest, PodReference } from "./request.ts";
import { isReplaced } from "./sandboxes.ts";
import type { HostEnd } from "./wiring.ts";

/** What DEL has to know; ADD's own undo and GC build it themselves. */
export interface Removal {
  readonly containerId: string;
  readonly ifName: string;
  readonly netns: string;
  readonly network: string;
  readonly pod: PodReference;
}

/** From here on the attachment attracts no traffic, and nobody is told that its policy is in force. */
export function hide(
  { endpoints, statusFiles }: Pick<CniComponents, "endpoints" | "statusFiles">,
  attachment: Attachment,
): void {
  endpoints.remove(attachment);
  removeEndpointStatus(attachment, statusFiles);
}

/**
 * DEL: first nothing is attracted any more, then the interface goes, then the addresses. Everything that is not there is
 * success. A container that a newer one of the same pod has replaced, or that was never wired, gives back its own
 * container's part only: endpoint, status and annotations are of the sandbox that was wired last.
 */
export async function remove(
  components: CniComponents,
  removal: Removal,
  signal: AbortSignal,
): Promise<void> {
  const { attachments, identity, addresses } = components;
  const attachment = attachments.get(removal);
  const shown =
    attachment?.linkIndex !== undefined && !isReplaced(attachments, attachment) ? attachment : undefined;
  if (shown) hide(components, shown);
  await unwire(components, removal, attachment);
  if (attachment) await moveOut(components, attachment);
  const departing = await identity.departing(removal.pod, attachment, signal);
  // Addresses are the container's, not the interface's: who was refused a second interface gives back nothing.
  const isHolder = ({ containerId, network }: Attachment) =>
    containerId === removal.containerId && network === removal.network;
  if (attachment || !attachments.list().some(isHolder))
    try {
      await addresses.release({
        network: removal.network,
        containerId: removal.containerId,
        node: components.nodeName,
        pod: { ...removal.pod, uid: departing.uid ?? attachment?.pod.uid ?? removal.pod.uid },
        vm: departing.vm,
        signal,
      });
    } catch (error) {
      throw asAddressError(error);
    }
  // Without a record the pod itself says for which container its addresses stand there.
  if (shown || !attachment) {
    const uid = departing.uid ?? removal.pod.uid;
    const pod = { namespace: removal.pod.namespace, name: removal.pod.name, ...(uid && { uid }) };
    await components.annotator.detached({ containerId: removal.containerId, pod }, signal);
  }
  attachments.delete(removal);
}

/**
 * Removes the pair by its end on the node. The path of the namespace proves nothing by itself: by now another pod may
 * have it. So it is the recorded index that says which link is meant. Without an index (ADD ended before it could write
 * it, or the record is lost) it is the link with one of the pod's names that leads into the namespace, unless an
 * attachment is recorded that has it.
 */
async function unwire(
  { attachments, wiring }: CniComponents,
  removal: Removal,
  attachment: Attachment | undefined,
): Promise<void> {
  const others = attachments.list().filter((other) => other !== attachment);
  const isOthers = ({ hostInterface, linkIndex }: Pick<HostEnd, "hostInterface" | "linkIndex">) =>
    others.some((other) => other.hostInterface === hostInterface && other.linkIndex === linkIndex);
  if (attachment?.linkIndex !== undefined) {
    const { hostInterface, linkIndex } = attachment;
    // After a reboot the indexes begin anew: a later sandbox of the pod may have the same.
    if (!isOthers({ hostInterface, linkIndex })) await wiring.detach({ hostInterface, linkIndex });
    return;
  }
  const netns = removal.netns || (attachment?.netns ?? "");
  const hostInterfaces = attachment ? [attachment.hostInterface] : hostInterfaceNames(removal.pod);
  const present = await wiring.look({ hostInterfaces, netns });
  for (const end of present) if (end.leadsThere && !isOthers(end)) await wiring.detach(end);
}

/** Undoes an ADD that failed. Runs to its end even when the call's own time is up. */
export async function takeBack(
  components: CniComponents,
  attachment: Attachment,
  request: CniRequest,
): Promise<void> {
  const removal = {
    containerId: attachment.containerId,
    ifName: attachment.ifName,
    netns: attachment.netns,
    network: request.config.name,
    pod: attachment.pod,
  };
  await remove(components, removal, AbortSignal.timeout(20_000));
}
