import { parseAddress } from "./address.ts";
import {
  attribute,
  handleAnnotation,
  isEmptyOwner,
  tunnelTypes,
  windowsReservedHandle,
} from "./attributes.ts";
import type { Allocation } from "./block-draft.ts";
import type { ClusterFacts, PodFact, VmiFact } from "./facts.ts";
import type { Attributes, IPAMHandle } from "./resources.ts";

/**
 * What an allocation is. `leaked`: nobody uses it. `hurry`: and its node does not exist any more, so nobody can come back for it.
 * `stale`: it is in use, but these owner records are of pods that are gone.
 */
export type Verdict =
  | { readonly kind: "valid"; readonly why: string; readonly stale: readonly ("active" | "alternate")[] }
  | {
      readonly kind: "leaked";
      readonly why: string;
      readonly hurry: boolean;
      readonly of: "pod" | "vm" | "tunnel";
    };

export interface JudgeOptions {
  readonly facts: ClusterFacts;
  /** The handle's object, if there is one: it knows the VM when no owner is recorded any more. */
  readonly handle: IPAMHandle | undefined;
  readonly persistence: "Enabled" | "Disabled";
  readonly replacedVm: "inherit" | "renew";
}

interface VmName {
  readonly namespace: string;
  readonly name: string;
  readonly vmUid: string | undefined;
  readonly vmiUid: string | undefined;
}

const valid = (why: string, stale: readonly ("active" | "alternate")[] = []): Verdict => ({
  kind: "valid",
  why,
  stale,
});

/** Judges one allocation by what the cluster says now. Throws when the cluster cannot say. */
export async function judge(allocation: Allocation, options: JudgeOptions): Promise<Verdict> {
  const { owners, handle } = allocation;
  if (handle === windowsReservedHandle) return valid("reserved for Windows");
  const vm = vmOf(allocation, options.handle);
  if (vm) return judgeVm(allocation, vm, options);
  const owner = owners.active ?? {};
  const node = owner[attribute.node];
  if (tunnelTypes.has(owner[attribute.type] ?? "")) {
    if (!node || (await options.facts.node(node))) return valid("tunnel of a node");
    return { kind: "leaked", why: `node ${node} of the tunnel is gone`, hurry: false, of: "tunnel" };
  }
  const { [attribute.namespace]: namespace, [attribute.pod]: name } = owner;
  if (!namespace || !name) return valid("of a kind unknown here");
  const problem = problemOfPod(await options.facts.pod(namespace, name), owner, allocation.address);
  if (!problem) return valid("pod exists");
  const hurry = node !== undefined && !(await options.facts.node(node));
  return { kind: "leaked", why: `pod ${namespace}/${name} ${problem}`, hurry, of: "pod" };
}

/** Which VM an allocation is for: by its owners, by what was kept with the handle, or by the handle's name. */
export function vmOf({ owners, handle }: Allocation, object: IPAMHandle | undefined): VmName | undefined {
  for (const owner of [owners.active, owners.alternate]) {
    const { [attribute.namespace]: namespace, [attribute.vmiName]: name } = owner ?? {};
    if (owner && namespace && name)
      return { namespace, name, vmUid: owner[attribute.vmUid], vmiUid: owner[attribute.vmiUid] };
  }
  const kept = object?.metadata.annotations ?? {};
  const { [handleAnnotation.namespace]: namespace, [handleAnnotation.vmName]: name } = kept;
  if (namespace && name)
    return { namespace, name, vmUid: kept[handleAnnotation.vmUid], vmiUid: kept[handleAnnotation.vmiUid] };
  const match = /\.vmi\.([a-z0-9-]+)\.(.+)$/.exec(handle ?? "");
  return match ? { namespace: match[1]!, name: match[2]!, vmUid: undefined, vmiUid: undefined } : undefined;
}

async function judgeVm(allocation: Allocation, vm: VmName, options: JudgeOptions): Promise<Verdict> {
  const { facts } = options;
  const stale: ("active" | "alternate")[] = [];
  for (const side of ["active", "alternate"] as const) {
    const owner = allocation.owners[side];
    if (!isEmptyOwner(owner) && (await isPodGone(facts, owner!))) stale.push(side);
  }
  const owned = (["active", "alternate"] as const).some(
    (side) => allocation.owners[side] && !stale.includes(side),
  );
  const leaked = (why: string): Verdict => ({ kind: "leaked", why, hurry: false, of: "vm" });
  const label = `${vm.namespace}/${vm.name}`;
  // A launcher that still exists may still run the guest, whatever became of its VM.
  if (owned) return valid(`a pod of VM ${label} exists`, stale);
  if (options.persistence === "Disabled") {
    const instance = await facts.vmi(vm.namespace, vm.name);
    const isRunning = instance && ((await usesItsPod(facts, vm, instance, allocation.address)) ?? true);
    return isRunning
      ? valid(`VM ${label} runs`, stale)
      : leaked(`VM ${label} does not run and persistence is Disabled`);
  }
  const machine = await facts.vm(vm.namespace, vm.name);
  if (machine) {
    const replaced = vm.vmUid !== undefined && machine.uid !== vm.vmUid;
    if (!replaced) return valid(`VM ${label} exists`, stale);
    if (options.replacedVm === "inherit")
      return valid(`VM ${label} was replaced by one of the same name`, stale);
    return leaked(`VM ${label} was replaced by another one of the same name`);
  }
  const instance = await facts.vmi(vm.namespace, vm.name);
  if (!instance) return leaked(`VM ${label} does not exist`);
  if (instance.ownerUid !== undefined) {
    const isRunning = await usesItsPod(facts, vm, instance, allocation.address);
    return isRunning
      ? valid(`VM ${label} was deleted, its guest still runs`, stale)
      : leaked(`VM ${label} was deleted, its instance is about to go`);
  }
  if (vm.vmiUid !== undefined && instance.uid !== vm.vmiUid && options.replacedVm === "renew")
    return leaked(`VMI ${label} was replaced by another one of the same name`);
  return valid(`VMI ${label} exists`, stale);
}

/**
 * Whether a VM without a recorded owner runs all the same, in a pod that does not report other addresses. Undefined: KubeVirt does not
 * name the pod.
 */
async function usesItsPod(
  facts: ClusterFacts,
  vm: VmName,
  instance: VmiFact,
  address: string,
): Promise<boolean | undefined> {
  if (instance.guestPod === undefined) return undefined;
  const pod = await facts.pod(vm.namespace, instance.guestPod);
  if (!pod || isFinished(pod)) return false;
  return pod.addresses.length === 0 || usesAddress(pod, address);
}

async function isPodGone(facts: ClusterFacts, owner: Attributes): Promise<boolean> {
  const { [attribute.namespace]: namespace, [attribute.pod]: name, [attribute.podUid]: uid } = owner;
  if (!namespace || !name) return false;
  const pod = await facts.pod(namespace, name);
  return !pod || (uid !== undefined && pod.uid !== uid) || isFinished(pod);
}

const isFinished = (pod: PodFact) => pod.phase === "Failed" || pod.phase === "Succeeded";

/** Why a pod does not use an address, or undefined if it does or may. */
function problemOfPod(pod: PodFact | undefined, owner: Attributes, address: string): string | undefined {
  if (!pod) return "does not exist";
  const uid = owner[attribute.podUid];
  if (uid && pod.uid !== uid) return "was replaced by another one of the same name";
  const node = owner[attribute.node];
  if (node && pod.node && pod.node !== node) return `runs on ${pod.node}, not on ${node}`;
  if (pod.phase === "Failed" && pod.reason === "Evicted") return "was evicted";
  if (isFinished(pod)) return "is finished";
  if (pod.addresses.length === 0) return undefined;
  return usesAddress(pod, address) ? undefined : "has other addresses";
}

function usesAddress(pod: PodFact, address: string): boolean {
  const value = parseAddress(address)?.value;
  return pod.addresses.some((text) => parseAddress(text)?.value === value);
}
