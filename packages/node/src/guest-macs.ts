import { type ClusterView, kinds, type VirtualMachineInstance } from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import { type GuestMac, guestMac, isCertain } from "@fairlead/kubevirt";
import { vmiOf } from "./facts.ts";
import type { MigrationMemory } from "./migration-components.ts";

export interface GuestMacs extends Disposable {
  /** The MAC of the guest in an endpoint, which after a migration is not the pod's. */
  of(attachment: Attachment): string | undefined;
}

/**
 * The MACs of guests, as their VMIs say, or said when they last spoke: KubeVirt empties a VMI's status for up to half a minute after a
 * migration, and a target may be made in that time. So what any VMI says is remembered as long as there is the VMI, and what concerns
 * an endpoint of this node in a file: an agent that starts without the API server listens for the right guest.
 */
export function createGuestMacs(
  view: Pick<ClusterView, "get" | "subscribe">,
  memory: Pick<MigrationMemory, "loadMac" | "saveMac">,
): GuestMacs {
  /** By UID of the VMI. Of those whose owner chose a MAC nothing has to be kept. */
  const said = new Map<string, string>();
  /** What the files hold, so that an unchanged one is not written again. */
  const saved = new Map<string, string>();

  function note(vmi: VirtualMachineInstance, found: GuestMac | undefined): void {
    if (found?.source === "status") said.set(vmi.metadata.uid ?? "", found.mac);
  }

  const subscription = view.subscribe(kinds.VirtualMachineInstance, ({ type, object }) => {
    if (type === "deleted") said.delete(object.metadata.uid ?? "");
    else note(object, guestMac(object));
  });

  return {
    of(attachment) {
      if (!attachment.vm) return attachment.mac;
      const vmi = vmiOf(view, attachment);
      const remembered = said.get(attachment.vm.vmiUid) ?? memory.loadMac(attachment);
      if (!vmi) return remembered ?? attachment.mac;
      const found = guestMac(vmi, { remembered, pod: attachment.mac });
      if (!found) return undefined;
      note(vmi, found);
      const text = `${attachment.containerId} ${found.mac}`;
      const isKnown = isCertain(found) || found.mac === said.get(attachment.vm.vmiUid);
      if (isKnown && saved.get(attachment.hostInterface) !== text) {
        memory.saveMac(attachment, found.mac);
        saved.set(attachment.hostInterface, text);
      }
      return found.mac;
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
}
