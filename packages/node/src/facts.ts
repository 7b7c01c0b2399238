import { isIP } from "node:net";
import { type ClusterView, kinds, type Pod, type VirtualMachineInstance } from "@fairlead/api";
import type { Attachment } from "@fairlead/cni";
import type { NamedPort } from "@fairlead/policy";
import type { EndpointFacts } from "./endpoints.ts";

const macPattern = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

/** What the cluster view knows of an endpoint's pod. An object of another UID is not the pod's. */
export function factsOf(view: ClusterView, attachment: Attachment): EndpointFacts {
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
    guestMacs: guestMacs(vmiOf(view, attachment)),
    migration: migrationUid
      ? { uid: migrationUid, createdAt: migration?.metadata.creationTimestamp ?? new Date(0).toISOString() }
      : undefined,
  };
}

/** The VMI in an endpoint's pod: proved at ADD by name and UID, so its UID is enough to find it again. */
export function vmiOf(view: ClusterView, { pod, vm }: Attachment): VirtualMachineInstance | undefined {
  if (!vm) return undefined;
  const vmi = view.get(kinds.VirtualMachineInstance, { namespace: pod.namespace, name: vm.name });
  return vmi?.metadata.uid === vm.vmiUid ? vmi : undefined;
}

/** MACs the guest may use on the pod network: what its spec fixes, else what KubeVirt reports of that network's interface. */
export function guestMacs(vmi: VirtualMachineInstance | undefined): readonly string[] {
  const network = vmi?.spec.networks?.find((one) => one.pod)?.name ?? "default";
  const fixed = vmi?.spec.domain?.devices?.interfaces?.find((one) => one.name === network)?.macAddress;
  const reported = vmi?.status?.interfaces?.filter((one) => one.name === network).map((one) => one.mac);
  const macs = [fixed, ...(reported ?? [])].map((mac) => mac?.toLowerCase() ?? "");
  // The guest agent fills the status in: take no more of it than a guest can need.
  return [...new Set(macs.filter((mac) => macPattern.test(mac)))].slice(0, 4);
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

function isPrefix(text: string): boolean {
  const [address = "", length = ""] = text.split("/");
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1;
  return /^\d{1,3}$/.test(length) && Number(length) <= bits;
}
