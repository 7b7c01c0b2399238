import type { Attachment, AttachmentStore } from "./attachment.ts";
import type { CniComponents } from "./components.ts";
import { removeEndpointStatus } from "./endpoint-status.ts";
import { asAddressError } from "./error.ts";
import { hostInterfaceName } from "./interface-name.ts";
import { moveOut } from "./lingering.ts";
import type { CniRequest, PodReference } from "./request.ts";

/** What DEL has to know; ADD's own undo and GC build it themselves. */
export interface Removal {
  readonly containerId: string;
  readonly ifName: string;
  readonly netns: string;
  readonly network: string;
  readonly pod: PodReference;
}

/** Attachments of the same pod under other containers; an ADD replaces them. */
export function supersededBy(
  store: AttachmentStore,
  request: Pick<CniRequest, "containerId" | "ifName"> & { pod: PodReference },
): readonly Attachment[] {
  const hostInterface = hostInterfaceName(request.pod);
  return store
    .list()
    .filter((other) => other.hostInterface === hostInterface && other.containerId !== request.containerId);
}

/**
 * DEL: first nothing is attracted any more, then the interface goes, then the addresses. Everything that is not there is
 * success. A container that a newer one of the same pod has replaced gives back its own container's part only.
 */
export async function remove(
  components: CniComponents,
  removal: Removal,
  signal: AbortSignal,
): Promise<void> {
  const { attachments, endpoints, identity, addresses, wiring } = components;
  const attachment = attachments.get(removal);
  const replaced = isReplaced(attachments, removal, attachment);
  if (attachment && !replaced) {
    endpoints.remove(attachment);
    removeEndpointStatus(attachment, components.statusFiles);
  }
  await wiring.detach({
    netns: removal.netns || (attachment?.netns ?? ""),
    containerInterface: removal.ifName,
    ...(replaced ? {} : { hostInterface: hostInterfaceName(removal.pod) }),
  });
  if (attachment && !replaced) await moveOut(components, attachment);
  const departing = await identity.departing(removal.pod, attachment, signal);
  try {
    await addresses.release({
      network: removal.network,
      containerId: removal.containerId,
      node: components.nodeName,
      pod: { ...removal.pod, uid: departing.uid ?? attachment?.pod.uid ?? removal.pod.uid },
      vm: replaced ? undefined : departing.vm,
      signal,
    });
  } catch (error) {
    throw asAddressError(error);
  }
  if (attachment && !replaced) await components.annotator.detached(attachment, signal);
  attachments.delete(removal);
}

/** Whether a later ADD for the same pod owns the host-side interface now. */
function isReplaced(store: AttachmentStore, removal: Removal, own: Attachment | undefined): boolean {
  return supersededBy(store, removal).some((other) => !own || other.generation > own.generation);
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
