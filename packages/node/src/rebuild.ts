import { isIPv4 } from "node:net";
import { type Attachment, hostInterfaceNames, isSamePod } from "@fairlead/cni";
import type { AssignedAddress, VmIdentity } from "@fairlead/ipam";

/** A pod's interface on the node, as the kernel has it. */
export interface FoundInterface {
  readonly name: string;
  readonly index: number;
  /** The pod's end. Absent when the kernel does not tell. */
  readonly peer?: { readonly name: string; readonly mac: string | undefined };
  /** Plain addresses to which host routes lead over it. */
  readonly routed: readonly string[];
}

/** A pod of this node, as the API has it. */
export interface FoundPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Plain addresses in its status, which only the kubelet may write. */
  readonly addresses: readonly string[];
  /** From its annotation, which whoever may edit the pod can write. */
  readonly claimedContainerId?: string | undefined;
  /** The VM that owns it, when the VM's instance lists the pod. */
  readonly vm?: VmIdentity | undefined;
  readonly migrationUid?: string | undefined;
  /** KubeVirt says that the guest runs in another pod. */
  readonly guestIsElsewhere?: boolean;
}

/** An endpoint's status file: written by an agent, gone with the next reboot. */
export interface FoundStatus {
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly ifName: string;
  readonly hostInterface: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly directory: string;
  /** Absent in the incumbent's. */
  readonly containerId?: string | undefined;
}

/** All that tells of the node's pods besides what the agent noted itself. */
export interface Evidence {
  readonly interfaces: readonly FoundInterface[];
  readonly pods: readonly FoundPod[];
  readonly assigned: readonly AssignedAddress[];
  readonly statuses: readonly FoundStatus[];
  /** What is noted, for whatever interface. */
  readonly noted: readonly Attachment[];
}

/** An interface whose attachment was found again. */
export interface RebuiltAttachment {
  readonly attachment: Attachment;
  /** It has no route because its guest runs in another pod. */
  readonly isAway: boolean;
}

/** An interface that nobody can explain. It stays as it is. */
export interface Unexplained {
  readonly interface: FoundInterface;
  readonly reason: string;
}

export interface Rebuilding {
  readonly rebuilt: readonly RebuiltAttachment[];
  readonly unexplained: readonly Unexplained[];
}

const defaultNetwork = "k8s-pod-network";
const defaultStatusDirectory = "/var/run/calico/endpoint-status";

/** The interfaces that no note explains. */
export function unnoted(
  interfaces: readonly FoundInterface[],
  noted: readonly Attachment[],
): readonly FoundInterface[] {
  return interfaces.filter((found) => !noted.some((note) => isNoteOf(note, found)));
}

/** Whether an attachment is of the very interface: the same name may have come back, an index does not. */
export function isNoteOf(
  { step, hostInterface, linkIndex }: Attachment,
  { name, index }: Pick<FoundInterface, "name" | "index">,
): boolean {
  return (step === "wired" || step === "ready") && hostInterface === name && linkIndex === index;
}

/**
 * Finds out whose the interfaces are that no note explains: those of an agent whose notes are lost, and those of the incumbent. Kernel and API
 * are the truth, and where they contradict each other nothing is claimed: an interface is a pod's when it has one of the
 * pod's names, and every address routed to it is the pod's, too.
 */
export function rebuild(evidence: Evidence): Rebuilding {
  const rebuilt: RebuiltAttachment[] = [];
  const unexplained: Unexplained[] = [];
  const taken = new Set(
    evidence.noted.filter(({ linkIndex }) => linkIndex !== undefined).map(({ containerId }) => containerId),
  );
  const candidates = candidatesByName(evidence.pods);
  for (const found of unnoted(evidence.interfaces, evidence.noted)) {
    const result = explain(found, candidates.get(found.name) ?? [], evidence, taken);
    if (typeof result === "string") unexplained.push({ interface: found, reason: result });
    else {
      taken.add(result.attachment.containerId);
      rebuilt.push(result);
    }
  }
  return { rebuilt, unexplained };
}

type Pod = Pick<FoundPod, "namespace" | "name" | "uid">;

/** UIDs decide where both are known. */
const isOf = ({ pod: owner }: AssignedAddress, pod: Pod) =>
  isSamePod(owner, pod) && (!owner.uid || !pod.uid || owner.uid === pod.uid);

/** The attachment, or in words why there is none. */
function explain(
  found: FoundInterface,
  candidates: readonly FoundPod[],
  evidence: Evidence,
  taken: ReadonlySet<string>,
): RebuiltAttachment | string {
  const pod = podOf(found, candidates, evidence);
  if (typeof pod === "string") return pod;
  const status = evidence.statuses.find((one) => one.hostInterface === found.name && isSamePod(one.pod, pod));
  const records = recordsOf(found, pod, evidence, status);
  if (typeof records === "string") return records;
  const addresses = addressesOf(found, pod, records, evidence, status);
  if (addresses.length === 0) return `no address of pod ${nameOf(pod)} is known`;
  const containerId = containerOf(pod, evidence, records, status, taken);
  if (containerId === undefined) return `the sandbox of pod ${nameOf(pod)} is recorded nowhere`;

  // ADD may have noted its first steps and not the last.
  const sandboxes = evidence.noted.filter((one) => isSamePod(one.pod, pod));
  const note = sandboxes.find((one) => one.containerId === containerId);
  const earlier = sandboxes.filter((one) => one !== note).map(({ generation }) => generation);
  const mac = status?.mac ?? macOf(found);
  const vm = pod.vm ?? note?.vm ?? records.find((one) => one.vm?.vmUid)?.vm;
  if (mac === undefined && !vm) return `the MAC of pod ${nameOf(pod)} is not known`;
  const migrationUid = vm && (note?.migrationUid ?? pod.migrationUid);
  const hasRoute = found.routed.length > 0;
  return {
    attachment: {
      containerId,
      ifName: note?.ifName ?? status?.ifName ?? (isPodName(found.peer?.name) ? found.peer!.name : "eth0"),
      generation: Math.max(note?.generation ?? 1, ...earlier.map((generation) => generation + 1)),
      network: note?.network ?? records.find(({ network }) => network)?.network ?? defaultNetwork,
      netns: note?.netns ?? "",
      pod: { namespace: pod.namespace, name: pod.name, uid: pod.uid },
      hostInterface: found.name,
      linkIndex: found.index,
      ...(mac && { mac }),
      addresses,
      ...(vm && { vm }),
      role: migrationUid ? "target" : "workload",
      ...(migrationUid && { migrationUid }),
      endpointStatusDir: note?.endpointStatusDir ?? status?.directory ?? defaultStatusDirectory,
      step: status || hasRoute ? "ready" : "wired",
    },
    isAway: !hasRoute && vm !== undefined && pod.guestIsElsewhere === true,
  };
}

const nameOf = ({ namespace, name }: { readonly namespace: string; readonly name: string }) =>
  `${namespace}/${name}`;

/** The pods that may have an interface of each name. ADD gives a pod another than its usual one where that is taken. */
function candidatesByName(pods: readonly FoundPod[]): ReadonlyMap<string, readonly FoundPod[]> {
  const candidates = new Map<string, FoundPod[]>();
  for (const pod of pods)
    for (const name of hostInterfaceNames(pod)) candidates.set(name, [...(candidates.get(name) ?? []), pod]);
  return candidates;
}

/** The one pod whose the interface can be: by its name, and where two pods share a name by the addresses. */
function podOf(
  { routed }: FoundInterface,
  named: readonly FoundPod[],
  { assigned }: Evidence,
): FoundPod | string {
  const [only, ...others] = named;
  if (!only) return "no pod of this node has an interface of this name";
  if (others.length === 0) return only;
  const holds = (pod: FoundPod) =>
    routed.length > 0 &&
    routed.every((address) => assigned.some((one) => one.address === address && isShared(one, pod)));
  const holders = named.filter(holds);
  if (holders.length === 1) return holders[0]!;
  return `it can be the interface of ${named.map(nameOf).join(" or ")}`;
}

/** Whether the record is of the pod, or of another pod of its VM: a VM's pods share its addresses. */
const isShared = (record: AssignedAddress, pod: FoundPod) =>
  isOf(record, pod) || (record.vm !== undefined && pod.vm !== undefined && isSameVm(record.vm, pod.vm));

const isSameVm = (one: VmIdentity, other: VmIdentity) =>
  one.vmUid || other.vmUid ? one.vmUid === other.vmUid : one.vmiUid === other.vmiUid;

const isForeign = (address: string, pod: FoundPod, assigned: readonly AssignedAddress[]) => {
  const records = assigned.filter((one) => one.address === address);
  return records.length > 0 && !records.some((one) => isShared(one, pod));
};

/** What blocks record for the sandbox whose interface it is; none when they know nothing of the pod. */
function recordsOf(
  { routed }: FoundInterface,
  pod: FoundPod,
  { assigned }: Evidence,
  status: FoundStatus | undefined,
): readonly AssignedAddress[] | string {
  const foreign = routed.find((address) => isForeign(address, pod, assigned));
  if (foreign) {
    const holder = assigned.find(({ address }) => address === foreign)!;
    return `a route to ${foreign} leads to pod ${nameOf(pod)}, but the address is recorded for ${nameOf(holder.pod)}`;
  }
  const own = assigned.filter((one) => isOf(one, pod));
  const sandboxOf = ({ handle, containerId }: AssignedAddress) => JSON.stringify([handle, containerId]);
  // A runtime may have tried several sandboxes of the pod, each with addresses of its own. The kernel knows which one is here.
  const hints: readonly ((one: AssignedAddress) => boolean)[] =
    routed.length > 0
      ? [({ address }) => routed.includes(address)]
      : [
          ({ containerId }) => containerId !== undefined && containerId === status?.containerId,
          ({ address }) => pod.addresses.includes(address),
          ({ containerId }) => containerId !== undefined && containerId === pod.claimedContainerId,
          () => true,
        ];
  for (const hint of hints) {
    const sandboxes = new Set(own.filter(hint).map(sandboxOf));
    if (sandboxes.size > 1) return `${sandboxes.size} sandboxes of pod ${nameOf(pod)} are recorded`;
    const [sandbox] = sandboxes;
    if (sandbox !== undefined) return own.filter((one) => sandboxOf(one) === sandbox);
  }
  return [];
}

/**
 * All that is routed, since traffic goes there now. A migration's target and a source that was left have no routes: then records, status file and
 * the pod's status tell one address of each family.
 */
function addressesOf(
  { routed }: FoundInterface,
  pod: FoundPod,
  records: readonly AssignedAddress[],
  { assigned }: Evidence,
  status: FoundStatus | undefined,
): readonly string[] {
  const recorded = records.map(({ address }) => address);
  const known = [...recorded, ...(status?.addresses ?? []), ...pod.addresses].filter(
    (address) => !isForeign(address, pod, assigned),
  );
  const addresses = [...routed];
  for (const family of [true, false])
    if (!routed.some((address) => isIPv4(address) === family))
      addresses.push(...known.filter((address) => isIPv4(address) === family).slice(0, 1));
  return addresses.toSorted((one, other) => Number(isIPv4(other)) - Number(isIPv4(one)));
}

/**
 * The sandbox by which the runtime will end the pod. Records and the status file are written by agents. An annotation is believed last, and only
 * where it names nobody else's sandbox.
 */
function containerOf(
  pod: FoundPod,
  { assigned, statuses }: Evidence,
  records: readonly AssignedAddress[],
  status: FoundStatus | undefined,
  taken: ReadonlySet<string>,
): string | undefined {
  const candidates = [...records.map(({ containerId }) => containerId), status?.containerId];
  const certain = candidates.find((one) => one !== undefined && !taken.has(one));
  if (certain !== undefined) return certain;
  const claimed = pod.claimedContainerId;
  if (claimed === undefined || !containerPattern.test(claimed) || taken.has(claimed)) return undefined;
  const isOthers = [...assigned, ...statuses].some(
    (one) => one.containerId === claimed && !isSamePod(one.pod, pod),
  );
  return isOthers ? undefined : claimed;
}

const containerPattern = /^[a-zA-Z0-9][a-zA-Z0-9_-]{0,199}$/;

/** KubeVirt's bridge binding renames the pod's end and gives it another MAC; the guest has the old one. */
const isPodName = (name: string | undefined) => name !== undefined && /^(eth|net)\d+$/.test(name);
const macOf = ({ peer }: FoundInterface) => (isPodName(peer?.name) ? peer?.mac : undefined);
