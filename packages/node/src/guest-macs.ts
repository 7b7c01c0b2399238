import type { ClusterView } from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import { guestMac } from "@fairlead/kubevirt";
import { vmiOf } from "./facts.ts";
import type { MigrationMemory } from "./migration-components.ts";

/**
 * The MAC of the guest in an endpoint, which after a migration is not the pod's: as the VMI says, or said when it was last seen. So an agent that starts
 * without the API server listens for the right guest.
 */
export function createGuestMacs(
  view: Pick<ClusterView, "get">,
  memory: Pick<MigrationMemory, "loadMac" | "saveMac">,
): (attachment: Attachment) => string | undefined {
  /** What the files hold, so that an unchanged one is not written again. */
  const saved = new Map<string, string>();
  return (attachment) => {
    if (!attachment.vm) return attachment.mac;
    const vmi = vmiOf(view, attachment);
    if (!vmi) return memory.loadMac(attachment) ?? attachment.mac;
    const mac = guestMac(vmi, attachment.mac)?.mac;
    if (mac !== undefined && saved.get(attachment.hostInterface) !== `${attachment.containerId} ${mac}`) {
      memory.saveMac(attachment, mac);
      saved.set(attachment.hostInterface, `${attachment.containerId} ${mac}`);
    }
    return mac;
  };
}
