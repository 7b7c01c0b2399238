import type { VirtualMachineInstance, VirtualMachineInterfaceStatus } from "@fairlead/api";

/** The MAC with which a guest speaks on the pod network, and who says so. */
export interface GuestMac {
  /** Lower case, with colons. */
  readonly mac: string;
  /** `spec`: the VM's owner chose it. `status`: the running domain has it. `pod`: the pod's own, as on a first boot. */
  readonly source: "spec" | "status" | "pod";
}

/** The guest agent can make the list as long as it likes. */
const maxInterfaces = 64;

/**
 * The MAC of the guest's interface on the pod network. After a migration it is not the target pod's MAC: the guest keeps
 * its own. `podMac` is what the CNI gave the first pod. Undefined when nobody knows, or no interface is on the pod network.
 */
export function guestMac(vmi: VirtualMachineInstance, podMac?: string): GuestMac | undefined {
  const name = podInterfaceName(vmi);
  if (name === undefined) return undefined;
  const chosen = normalizeMac(interfaces(vmi).find((candidate) => candidate.name === name)?.macAddress);
  if (chosen) return { mac: chosen, source: "spec" };
  const reported = vmi.status?.interfaces?.slice(0, maxInterfaces) ?? [];
  const running = normalizeMac(
    reported.find((candidate) => candidate.name === name && isFromDomain(candidate))?.mac,
  );
  if (running) return { mac: running, source: "status" };
  const own = normalizeMac(podMac);
  return own ? { mac: own, source: "pod" } : undefined;
}

/** Name of the interface on the pod network; KubeVirt's own default where the VMI lists none. */
function podInterfaceName(vmi: VirtualMachineInstance): string | undefined {
  const { networks = [] } = vmi.spec;
  if (networks.length === 0 && interfaces(vmi).length === 0) return "default";
  return networks.find((network) => network.pod !== undefined)?.name;
}

function interfaces(vmi: VirtualMachineInstance) {
  return vmi.spec.domain?.devices?.interfaces ?? [];
}

/** What only the guest agent says is the guest's own claim. */
function isFromDomain({ infoSource }: VirtualMachineInterfaceStatus): boolean {
  return infoSource === undefined || infoSource.split(",").some((source) => source.trim() === "domain");
}

/** Lower case with colons; undefined for what is no unicast MAC. */
export function normalizeMac(text: string | undefined): string | undefined {
  const mac = text?.trim().toLowerCase().replaceAll("-", ":");
  if (mac === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return undefined;
  const isMulticast = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return isMulticast || mac === "00:00:00:00:00:00" ? undefined : mac;
}
