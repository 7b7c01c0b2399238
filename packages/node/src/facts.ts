import { isIP } from "node:net";
import { type ClusterView, kinds, type Pod, type VirtualMachineInstance } from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import { guestMac } from "@fairlead/kubevirt";
import type { NamedPort } from "@fairlead/policy";
import type { EndpointFacts } from "./endpoints.ts";

/** What the cluster view knows of an endpoint's pod, and the MAC of the guest in it. An object of another UID is not the pod's. */
export function factsOf(
  view: ClusterView,
  attachment: Attachment,
  mac = guestMacOf(view, attachment),
): EndpointFacts {
  const { namespace, name, uid } = attachment.pod;
  const seen = view.get(kinds.Pod, { namespace, name });
  const pod = seen?.metadata.uid === uid ? seen : undefined;
  const { migrationUid } = attachment;
  const migration = migrationUid
    ? view
        .list(kinds.VirtualMachineInstanceMigration, { namespace })
        .find((one) => one.metadata.uid === migrationUid)
    : undefined;
  return {
    labels: pod?.metadata.labels ?? {},
    serviceAccount: pod?.spec.serviceAccountName,
    ports: pod ? namedPorts(pod) : [],
    allowedSourcePrefixes: pod ? allowedSourcePrefixes(pod) : [],
    guestMacs: mac ? [mac] : [],
    migration: migrationUid
      ? { uid: migrationUid, createdAt: migration?.metadata.creationTimestamp ?? new Date(0).toISOString() }
      : undefined,
  };
}

/** The VMI in an endpoint's pod: proved at ADD by name and UID, so its UID is enough to find it again. */
export function vmiOf(
  view: Pick<ClusterView, "get">,
  { pod, vm }: Attachment,
): VirtualMachineInstance | undefined {
  if (!vm) return undefined;
  const vmi = view.get(kinds.VirtualMachineInstance, { namespace: pod.namespace, name: vm.name });
  return vmi?.metadata.uid === vm.vmiUid ? vmi : undefined;
}

/** The MAC of the guest in an endpoint, as far as the view alone tells. */
function guestMacOf(view: ClusterView, attachment: Attachment): string | undefined {
  const vmi = vmiOf(view, attachment);
  return vmi ? guestMac(vmi, { pod: attachment.mac })?.mac : attachment.mac;
}

function namedPorts(pod: Pod): readonly NamedPort[] {
  const ports = pod.spec.containers?.flatMap((container) => container.ports ?? []) ?? [];
  return ports.flatMap(({ name, protocol, containerPort }) => {
    const lower = (protocol ?? "TCP").toLowerCase();
    const known = lower === "tcp" || lower === "udp" || lower === "sctp" ? lower : undefined;
    return name && known ? [{ name, protocol: known, port: containerPort }] : [];
  });
}

function allowedSourcePrefixes(pod: Pod): readonly string[] {
  const text = pod.metadata.annotations?.["cni.projectcalico.org/allowedSourcePrefixes"];
  if (text === undefined) return [];
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list)
      ? list.filter((item) => typeof item === "string" && isPrefix(item)).slice(0, 64)
      : [];
  } catch {
    return [];
  }
}

/** Policy refuses an endpoint with anything else, and with it the pod or the agent's start: this text is any pod author's to write. */
function isPrefix(text: string): boolean {
  const [, address = "", length] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return Number(length) <= bits;
}
