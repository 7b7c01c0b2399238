import type { Attachment } from "./attachment.ts";
import type { CniComponents } from "./components.ts";
import { remove } from "./del.ts";

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

/** Whether the link that ADD made is there still. */
async function hasInterface(
  { wiring }: CniComponents,
  { hostInterface, linkIndex, netns }: Attachment,
): Promise<boolean> {
  const [end] = await wiring.look({ hostInterfaces: [hostInterface], netns });
  return end !== undefined && (linkIndex === undefined ? end.leadsThere : end.linkIndex === linkIndex);
}
