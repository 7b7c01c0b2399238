import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { arch, networkInterfaces, release } from "node:os";
import { type ApiClient, type Condition, isApiError, kinds, type Node } from "@fairlead/api";

/** Interfaces that carry no address of the node itself. */
const foreign = /^(lo|eth0|cali.*|docker.*|tunl.*|vxlan.*)$/;

/** The node's addresses, IPv4 first: those of its data interfaces; eth0 is the management network's. */
export function nodeAddresses(interfaces = networkInterfaces()): string[] {
  const all = Object.entries(interfaces)
    .filter(([name]) => !foreign.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(({ address }) => !address.startsWith("fe80:"));
  return [...all.filter((a) => a.family === "IPv4"), ...all.filter((a) => a.family === "IPv6")].map(
    (a) => a.address,
  );
}

/** Labels a kubelet and KubeVirt's node labeller put on a node that may run virtual machines. */
export function nodeLabels(name: string): Record<string, string> {
  return {
    "kubernetes.io/hostname": name,
    "kubernetes.io/os": "linux",
    "kubernetes.io/arch": architectureName(),
    "kubevirt.io/schedulable": "true",
    "machine-type.node.kubevirt.io/q35": "true",
    "cpu-vendor.node.kubevirt.io/lab": "true",
  };
}

export interface NodeState {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Undefined: ready. */
  readonly notReady: string | undefined;
}

/** Creates the Node object, or brings labels and status of the existing one up to date. */
export async function registerNode(
  client: ApiClient,
  state: NodeState,
  now: number,
  signal?: AbortSignal,
): Promise<void> {
  const labels = nodeLabels(state.name);
  try {
    await client.create(kinds.Node, { metadata: { name: state.name, labels } }, { signal });
  } catch (error) {
    if (!isApiError(error, "AlreadyExists")) throw error;
    await client.patch(kinds.Node, { name: state.name }, { metadata: { labels } }, { type: "merge", signal });
  }
  await reportNode(client, state, now, signal);
}

export async function reportNode(
  client: ApiClient,
  state: NodeState,
  now: number,
  signal?: AbortSignal,
): Promise<void> {
  const present = await client.get(kinds.Node, { name: state.name }, { signal });
  const { addresses, ...rest } = nodeStatus(state, present, now);
  // Addresses merge by type, but a node has one per family: replace the list, as the kubelet does.
  const status = { ...rest, addresses: [...addresses!, { $patch: "replace" }] };
  await client.patch(
    kinds.Node,
    { name: state.name },
    { status },
    { type: "strategic", subresource: "status", signal },
  );
}

/** Pure. */
export function nodeStatus(state: NodeState, present: Node, now: number): NonNullable<Node["status"]> {
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
  const status = state.notReady === undefined ? "True" : "False";
  const before = present.status?.conditions?.find(({ type }) => type === "Ready");
  const ready: Condition & { lastHeartbeatTime: string } = {
    type: "Ready",
    status,
    reason: status === "True" ? "KubeletReady" : "KubeletNotReady",
    message: state.notReady ?? "kubelet is posting ready status",
    lastHeartbeatTime: time,
    lastTransitionTime: before?.status === status ? (before.lastTransitionTime ?? time) : time,
  };
  return {
    addresses: [
      ...state.addresses.map((address) => ({ type: "InternalIP" as const, address })),
      { type: "Hostname", address: state.name },
    ],
    conditions: [ready],
    capacity: { cpu: "2", memory: "4Gi", pods: "110" },
    allocatable: { cpu: "2", memory: "4Gi", pods: "110" },
    nodeInfo: nodeInfo(state.name),
  };
}

function nodeInfo(name: string) {
  const machineID = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return {
    architecture: architectureName(),
    bootID: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    containerRuntimeVersion: "lab://1.0",
    kernelVersion: release(),
    kubeProxyVersion: "",
    kubeletVersion: "v1.34.0",
    machineID,
    operatingSystem: "linux",
    osImage: "Fairlead lab",
    systemUUID: machineID,
  };
}

function architectureName(): string {
  const names: Readonly<Record<string, string>> = { x64: "amd64" };
  return names[arch()] ?? arch();
}
