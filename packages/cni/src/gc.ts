import type { CniComponents } from "./components.ts";
import { remove } from "./del.ts";
import { asCniError, CniError } from "./error.ts";
import type { PodLock } from "./pod-lock.ts";
import type { CniRequest } from "./request.ts";
import { podKey } from "./sandboxes.ts";

/**
 * GC: takes away every attachment of this network that the runtime does not list as valid. Goes on after a failure and
 * reports all of them at the end.
 *
 * @throws CniError TryAgainLater
 */
export async function collect(
  components: CniComponents,
  lock: PodLock,
  { config }: CniRequest,
  signal: AbortSignal,
): Promise<void> {
  const valid = new Set(
    config["cni.dev/valid-attachments"].map((item) => `${item.containerID} ${item.ifname}`),
  );
  const stale = components.attachments
    .list()
    .filter((one) => one.network === config.name && !valid.has(`${one.containerId} ${one.ifName}`));
  const failures: string[] = [];
  for (const attachment of stale) {
    const { containerId } = attachment;
    try {
      await lock.hold(podKey(attachment.pod), async () => {
        // A call that held the lock before may have removed it, or made it anew.
        if (components.attachments.get(attachment) !== attachment) return;
        await remove(components, attachment, signal);
        components.log.info({ containerId, pod: attachment.pod }, "GC removed an attachment");
      });
    } catch (error) {
      failures.push(`${containerId}: ${asCniError(error).summary}`);
    }
  }
  if (failures.length === 0) return;
  throw new CniError(
    "TryAgainLater",
    `${failures.length} of ${stale.length} stale attachments remain: ${failures.join("; ")}`,
    "the next GC tries again",
  );
}
