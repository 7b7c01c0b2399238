import type { Attachment } from "./attachment.ts";
import type { CniComponents, Workload } from "./components.ts";
import { CniError } from "./error.ts";
import { hostInterfaceNames } from "./interface-name.ts";
import type { CniRequest } from "./request.ts";
import { isSamePod } from "./sandboxes.ts";
import type { HostEnd } from "./wiring.ts";

/** What ADD knows before it claims: whose pod it is, and what earlier calls left. */
export interface ClaimOptions {
  readonly request: CniRequest;
  readonly workload: Workload;
  /** What an earlier ADD of the same container left. */
  readonly previous: Attachment | undefined;
  /** Earlier sandboxes of the same pod. */
  readonly earlier: readonly Attachment[];
}

/**
 * Writes that the container is about to have an interface, and under which name. The name is one that no other pod's
 * attachment has and no link that somebody else made; the pod's own earlier interface gives way to the new one.
 *
 * A container that is known already stays as it was written until its interface is really made anew.
 *
 * @throws {CniError} UnsupportedField when the container has another interface of ours, WiringFailed when no name is left
 */
export async function claim(components: CniComponents, options: ClaimOptions): Promise<Attachment> {
  const { attachments, wiring, log } = components;
  const { request, workload, previous, earlier } = options;
  const { containerId, ifName } = request;
  const sibling = attachments.list().find((one) => one.containerId === containerId && one.ifName !== ifName);
  if (sibling)
    throw new CniError(
      "UnsupportedField",
      `container ${containerId} has interface ${sibling.ifName} of this plug-in already; ${ifName} would share its addresses`,
      "use another plug-in for the pod's further networks",
    );
  if (previous) return describe(options, previous.hostInterface);

  const own = earlier.map(({ hostInterface }) => hostInterface);
  const names = [...new Set([...own, ...hostInterfaceNames(workload.pod)])];
  const present = await wiring.look({ hostInterfaces: names, netns: request.netns });
  const isReplaceable = ({ hostInterface, linkIndex, leadsThere }: HostEnd) =>
    leadsThere || earlier.some((one) => one.hostInterface === hostInterface && one.linkIndex === linkIndex);
  // Nothing is awaited from here to the claim: another pod may want the same name.
  for (const name of names) {
    const holder = attachments
      .list()
      .find((one) => one.hostInterface === name && !isSamePod(one.pod, workload.pod));
    const link = present.find(({ hostInterface }) => hostInterface === name);
    if (!holder && (!link || isReplaceable(link))) {
      const attachment = describe(options, name);
      attachments.put(attachment);
      return attachment;
    }
    log.warn(
      { pod: workload.pod, hostInterface: name, holder: holder?.pod, linkIndex: link?.linkIndex },
      "the interface name belongs to somebody else; the pod gets another one",
    );
  }
  throw new CniError(
    "WiringFailed",
    `all ${names.length} interface names of pod ${workload.pod.namespace}/${workload.pod.name} are taken: ${names.join(", ")}`,
    "see whose they are (ip -d link show); a pod of another name gets other names",
  );
}

function describe({ request, workload, previous, earlier }: ClaimOptions, hostInterface: string): Attachment {
  const { pod, vm } = workload;
  const newest = Math.max(0, ...earlier.map(({ generation }) => generation));
  return {
    containerId: request.containerId,
    ifName: request.ifName,
    generation: Math.max(newest + 1, previous?.generation ?? 0),
    network: request.config.name,
    netns: request.netns,
    pod: { namespace: pod.namespace, name: pod.name, uid: pod.uid },
    hostInterface,
    addresses: [],
    ...(vm && { vm: { name: vm.name, vmUid: vm.vmUid, vmiUid: vm.vmiUid } }),
    ...(vm?.migrationUid && { migrationUid: vm.migrationUid }),
    role: "workload",
    endpointStatusDir: request.config.endpoint_status_dir,
    step: "claimed",
  };
}
