import type { VirtualMachineInstance, VirtualMachineInterfaceStatus } from "@fairlead/api";

/** The MAC with which a guest speaks on the pod network, and who says so. */
export interface GuestMac {
  /** Lower case, with colons. */
  readonly mac: string;
  /**
   * `spec`: the VM's owner chose it. `status`: the running domain has it. `remembered`: one of them said so before. `partial`: the status
   * says so without saying that the domain does. `pod`: the pod's own, as on a first boot.
   */
  readonly source: "spec" | "status" | "remembered" | "partial" | "pod";
}

/** What is known beside the VMI. */
export interface KnownMacs {
  /** What `spec` or `status` said last. KubeVirt empties the status for up to half a minute after a migration, wholly or in part. */
  readonly remembered?: string | undefined;
  /** What the CNI gave the pod. */
  readonly pod?: string | undefined;
}

/** The guest agent can make the list as long as it likes. */
const maxInterfaces = 64;

/**
 * The MAC of the guest's interface on the pod network. After a migration it is not the target pod's MAC: the guest keeps
 * its own. Undefined when nobody knows, or no interface is on the pod network.
 */
export function guestMac(vmi: VirtualMachineInstance, known: KnownMacs = {}): GuestMac | undefined {
  const name = podInterfaceName(vmi);
  if (name === undefined) return undefined;
  const chosen = interfaces(vmi).find((candidate) => candidate.name === name)?.macAddress;
  const reported = (vmi.status?.interfaces?.slice(0, maxInterfaces) ?? []).filter((one) => one.name === name);
  const words: readonly [GuestMac["source"], string | undefined][] = [
    ["spec", chosen],
    ["status", reported.find(isFromDomain)?.mac],
    ["remembered", known.remembered],
    ["partial", reported.find(({ infoSource }) => infoSource === undefined)?.mac],
    ["pod", known.pod],
  ];
  for (const [source, word] of words) {
    const mac = normalizeMac(word);
    if (mac) return { mac, source };
  }
  return undefined;
}

/** Whether it is worth remembering. */
export const isCertain = ({ source }: GuestMac): boolean => source === "spec" || source === "status";

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
  return infoSource?.split(",").some((source) => source.trim() === "domain") ?? false;
}

/** Lower case with colons; undefined for what is no unicast MAC. */
export function normalizeMac(text: string | undefined): string | undefined {
  const mac = text?.trim().toLowerCase().replaceAll("-", ":");
  if (mac === undefined || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return undefined;
  const isMulticast = (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
  return isMulticast || mac === "00:00:00:00:00:00" ? undefined : mac;
}
