import { readdirSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { type ApiClient, type ClusterView, controllerOf, kinds, type Pod } from "@fairlead/api";
import { readSmallFile, statusFileName } from "@fairlead/cni";
import { type AssignedAddress, assignedAddresses } from "@fairlead/ipam";
import { activePodName, migrationUidLabel } from "@fairlead/kubevirt";
import { type Link, NetlinkError, type RouteSocket } from "@fairlead/netlink";
import type { FoundInterface, FoundPod, FoundStatus } from "./rebuild.ts";

/** Where an agent looks that has lost its notes. */
export interface NodeEvidence {
  /** Host-side interfaces of pods, ours and the incumbent's. */
  interfaces(): readonly FoundInterface[];
  statuses(): readonly FoundStatus[];
  /** From all blocks: a VM's address may be in any. Rejects with ApiError. */
  assigned(signal?: AbortSignal): Promise<readonly AssignedAddress[]>;
}

export interface NodeEvidenceOptions {
  readonly route: Pick<RouteSocket, "links" | "routes">;
  readonly client: Pick<ApiClient, "list">;
  /** Default: where the incumbent's network configuration has it, too. */
  readonly statusDir?: string;
  readonly onError: (error: unknown) => void;
}

/** Both name them so. */
const prefix = "cali";
/** Protocol of workload routes, ours and the incumbent's. */
const workloadRoute = 80;
const mainTable = 254;

export function createNodeEvidence(options: NodeEvidenceOptions): NodeEvidence {
  const { route, client, statusDir = "/var/run/calico/endpoint-status", onError } = options;

  function peerOf(link: Link): FoundInterface["peer"] {
    try {
      const peer = route.links.peerOf(link);
      return peer && { name: peer.name, mac: peer.address };
    } catch (error) {
      // A kernel before 4.15 cannot look into another namespace.
      if (!NetlinkError.is(error)) throw error;
      onError(error);
      return undefined;
    }
  }

  return {
    interfaces() {
      const routes = route.routes.list({ table: mainTable, protocol: workloadRoute, type: "unicast" });
      return route.links
        .list()
        .filter(({ name }) => name.startsWith(prefix))
        .map((link) => {
          const peer = peerOf(link);
          const routed = routes
            .filter(
              ({ linkIndex, destination }) => linkIndex === link.index && /\/(32|128)$/.test(destination),
            )
            .map(({ destination }) => destination.split("/")[0]!)
            .filter((address, at, all) => isIP(address) !== 0 && all.indexOf(address) === at);
          return { name: link.name, index: link.index, ...(peer && { peer }), routed };
        });
    },
    statuses: () => readStatuses(statusDir, onError),
    async assigned(signal) {
      const { items } = await client.list(kinds.IPAMBlock, signal ? { signal } : {});
      return assignedAddresses(items);
    },
  };
}

/** The pods that may have an interface here, from the view. */
export function podsOfNode(view: Pick<ClusterView, "get" | "list">, nodeName: string): readonly FoundPod[] {
  return view
    .list(kinds.Pod)
    .filter(({ spec }) => spec.nodeName === nodeName && !spec.hostNetwork)
    .map((pod) => describe(view, pod));
}

function describe(view: Pick<ClusterView, "get" | "list">, pod: Pod): FoundPod {
  const { namespace = "", name = "", uid = "", annotations, labels } = pod.metadata;
  const claimedContainerId = annotations?.["cni.projectcalico.org/containerID"];
  const podIPs = pod.status?.podIPs?.map(({ ip }) => ip) ?? [pod.status?.podIP ?? ""];
  const found = {
    namespace,
    name,
    uid,
    addresses: podIPs.filter((address) => isIP(address) !== 0),
    ...(claimedContainerId && { claimedContainerId }),
  };
  const owner = controllerOf(pod);
  if (owner?.kind !== "VirtualMachineInstance" || !owner.apiVersion.startsWith("kubevirt.io/")) return found;
  const vmi = view.get(kinds.VirtualMachineInstance, { namespace, name: owner.name });
  // Whoever may create pods can write an owner reference; only KubeVirt lists the pods of an instance.
  if (vmi?.metadata.uid !== owner.uid || !Object.hasOwn(vmi.status?.activePods ?? {}, uid)) return found;
  const machine = controllerOf(vmi);
  const vmUid = machine?.kind === "VirtualMachine" ? machine.uid : undefined;
  const active = activePodName(vmi);
  const migrationUid = labels?.[migrationUidLabel];
  const isKnown =
    vmi.status?.migrationState?.migrationUid === migrationUid ||
    view
      .list(kinds.VirtualMachineInstanceMigration, { namespace })
      .some(({ metadata, spec }) => metadata.uid === migrationUid && spec.vmiName === owner.name);
  return {
    ...found,
    vm: { name: owner.name, vmiUid: owner.uid, ...(vmUid && { vmUid }) },
    ...(migrationUid && isKnown && { migrationUid }),
    guestIsElsewhere: active !== undefined && active !== name,
  };
}

/** Endpoints' status files, as we and the incumbent write them. What is not one is passed over: the directory is shared. */
function readStatuses(directory: string, onError: (error: unknown) => void): readonly FoundStatus[] {
  let names: readonly string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") onError(error);
    return [];
  }
  return names.flatMap((name) => {
    try {
      return readStatus(directory, name) ?? [];
    } catch (error) {
      onError(error);
      return [];
    }
  });
}

function readStatus(directory: string, file: string): FoundStatus | undefined {
  const [orchestrator, workload = "", ifName] = file.split(" ").map(decodeURIComponent);
  const [namespace, name] = workload.split("/");
  if (orchestrator !== "k8s" || !namespace || !name || !ifName) return undefined;
  const pod = { namespace, name, uid: "" };
  if (statusFileName({ pod, ifName }) !== file) return undefined;
  const text: unknown = JSON.parse(readSmallFile(join(directory, file)));
  const { ifaceName, mac, ipv4Nets, ipv6Nets, containerID } = text as Record<string, unknown>;
  if (typeof ifaceName !== "string" || typeof mac !== "string") return undefined;
  const nets = [ipv4Nets, ipv6Nets].flat().filter((net) => typeof net === "string");
  return {
    pod: { namespace, name },
    ifName,
    hostInterface: ifaceName,
    mac,
    addresses: nets.map((net) => net.split("/")[0]!).filter((address) => isIP(address) !== 0),
    directory,
    ...(typeof containerID === "string" && { containerId: containerID }),
  };
}
