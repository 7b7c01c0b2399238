import type { CniComponents, Workload } from "./components.ts";
import { CniError } from "./error.ts";
import type { CniRequest } from "./request.ts";

/** What the kernel gives a veth that nobody asks another MTU for (ETH_DATA_LEN), bytes. */
const kernelDefault = 1500;

/**
 * The MTU of a pod that starts on this node, bytes: the configuration's, or else the uplink's.
 *
 * @throws {CniError} TryAgainLater when the configuration insists on the uplink's and it is not known yet
 */
export function readNodeMtu(components: CniComponents, { config }: CniRequest): number {
  const mtu = config.mtu || components.readMtu();
  if (mtu) return mtu;
  if (!config.require_mtu_file) return kernelDefault;
  throw new CniError(
    "TryAgainLater",
    "the mtu file is not there yet",
    "the agent writes it when it has seen the node's interfaces",
  );
}

/**
 * The MTU of the pod's links, bytes. A guest that migrates keeps the MTU it started with, and a link that carries less
 * drops its larger frames without a word. So a migration target's links carry the VM's MTU, whatever the node gives
 * others; and where configuration or uplink carry less than that, the migration fails and the VM stays where it is.
 *
 * @throws {CniError} MtuTooSmall
 */
export function chooseMtu(
  components: CniComponents,
  { config }: CniRequest,
  { vm }: Workload,
  { nodeMtu, vmMtu }: { readonly nodeMtu: number; readonly vmMtu: number | undefined },
): number {
  if (vm?.role !== "target" || vmMtu === undefined) return nodeMtu;
  const uplink = components.readMtu();
  for (const [limit, whose] of [
    [config.mtu, "the network configuration of this node"],
    [uplink, "the uplink of this node"],
  ] as const)
    if (limit && limit < vmMtu)
      throw new CniError(
        "MtuTooSmall",
        `VM ${vm.name} runs with an MTU of ${vmMtu} bytes, ${whose} allows ${limit}: its larger packets would be lost`,
        "migrate it to a node that carries them, raise the MTU here, or restart the VM: then it takes the MTU of its node",
      );
  return vmMtu;
}
