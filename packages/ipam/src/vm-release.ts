import { sameHandle } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { describeOwner, isOwner, type OwningPod } from "./owner-record.ts";
import { ownersAfter } from "./ownership.ts";
import { checkHandleIsOf, sameIdentity, uidsOfHandle, uidsOfRecord } from "./vm-identity.ts";
import { claimOwnership, guestFactOf } from "./vm-ownership.ts";
import { type HeldAddress, readVm, type VmState } from "./vm-state.ts";
import { recordOf } from "./workload-request.ts";
import type { GuestFact, PromoteRequest, WorkloadRelease } from "./workload-types.ts";

/** Whose pod ends, and whether what nobody owns afterwards is to be freed. */
export interface VmLeave {
  readonly pod: OwningPod;
  /** Undefined when only the records tell whose VM it was; then nothing is freed. */
  readonly vm?: WorkloadRelease["vm"];
  readonly free: boolean;
}

export interface VmRelease {
  readonly released: readonly string[];
  readonly kept: readonly string[];
  /** The pod was recorded as an owner. */
  readonly isOwner: boolean;
}

/**
 * A pod of a VM ends: its ownership is cleared on every address. With `free`, addresses nobody owns any more are released in the same
 * write, unless they are another VM's of that name or KubeVirt says that the guest runs in another pod. An address that cannot be
 * written does not stop the others; the first failure is thrown at the end.
 */
export async function releaseVm(engine: Engine, handle: string, leave: VmLeave): Promise<VmRelease> {
  const { pod, vm } = leave;
  const state = await readVm(engine, handle);
  const { object, held } = state;
  const free = leave.free && vm !== undefined && isVmGone(handle, state, pod, vm);
  const released: string[] = [];
  const kept: string[] = [];
  let isOwner = false;
  const outcomes = await Promise.allSettled(
    held.map(async ({ block, ordinal, address, stored }) => {
      const outcome = await engine.blocks.update(
        block.cidr,
        (draft) => {
          const present = draft.at(ordinal);
          if (!present || !sameHandle(present.handle, handle)) return "absent";
          const { owners, wasOwner } = ownersAfter(present.owners, pod, vm?.guest);
          isOwner ||= wasOwner;
          if (free && !owners.active && !owners.alternate && isOf(vm, present)) {
            draft.release(ordinal);
            return "released";
          }
          if (owners !== present.owners) draft.setOwners(ordinal, owners);
          return "kept";
        },
        stored,
      );
      if (outcome === "released") released.push(address);
      if (outcome === "kept") kept.push(address);
    }),
  );
  const failure = outcomes.find((outcome) => outcome.status === "rejected");
  if (failure) throw failure.reason;
  if (free && kept.length === 0 && object)
    await engine.handles.update(handle, (present) =>
      present?.metadata.resourceVersion === object.metadata.resourceVersion ? null : undefined,
    );
  return { released, kept, isOwner };
}

/** Whether what the handle holds is this VM's, and no other pod of it has the guest. */
function isVmGone(handle: string, state: VmState, pod: OwningPod, vm: NonNullable<VmLeave["vm"]>): boolean {
  checkHandleIsOf(handle, state, pod.namespace, vm.name);
  const runsElsewhere = vm.guest?.pod !== undefined && vm.guest.pod !== pod.name;
  return !runsElsewhere && sameIdentity(vm, uidsOfHandle(state)) !== false;
}

const isOf = (vm: NonNullable<VmLeave["vm"]>, { owners }: Pick<HeldAddress, "owners">): boolean =>
  [owners.active, owners.alternate].every(
    (owner) => owner === null || sameIdentity(vm, uidsOfRecord(owner)) !== false,
  );

/** The pod in which the guest runs becomes active owner of every address. */
export async function promoteVm(
  engine: Engine,
  handle: string,
  request: PromoteRequest,
): Promise<"owner" | "elsewhere"> {
  const { vm } = request;
  const pod: OwningPod = { ...request.pod, containerId: request.containerId };
  for (let round = 0; round < 10; round++) {
    const guest = await guestOf(engine, request);
    if (guest === "elsewhere") return "elsewhere";
    const state = await readVm(engine, handle);
    const { held } = state;
    if (held.length === 0)
      throw new IpamError("HandleNotFound", `no IPs found for handle ${handle}`, {
        object: `handle ${handle}`,
      });
    checkHandleIsOf(handle, state, vm.namespace, vm.name);
    if (!engine.facts) checkRecorded(handle, held, pod);
    const record = recordOf(request, engine.now());
    const claimed = await claimOwnership(engine, "runs", handle, held, { pod, record, guest, isLive: true });
    if (claimed === "active") return "owner";
    if (claimed === "elsewhere") return "elsewhere";
  }
  throw new IpamError("OwnerConflict", `the addresses of ${handle} kept changing`, {
    object: `handle ${handle}`,
  });
}

/** What KubeVirt says now of the guest. Undefined: nobody can say, and the caller's word counts. */
async function guestOf(
  { facts }: Engine,
  { vm, pod }: PromoteRequest,
): Promise<GuestFact | "elsewhere" | undefined> {
  if (!facts) return undefined;
  const vmi = await facts.vmi(vm.namespace, vm.name);
  if (!vmi || (vm.vmiUid !== undefined && vmi.uid !== vm.vmiUid)) return "elsewhere";
  const guest = guestFactOf(vmi, pod);
  if (guest.pod !== undefined) return guest.pod === pod.name ? guest : "elsewhere";
  const isListed = !vmi.activePods?.length || pod.uid === undefined || vmi.activePods.includes(pod.uid);
  return isListed ? guest : "elsewhere";
}

/** Without KubeVirt's word only a pod that was let in as the VM's may take over. */
function checkRecorded(handle: string, held: readonly HeldAddress[], pod: OwningPod): void {
  for (const { address, owners } of held) {
    const { active, alternate } = owners;
    if (isOwner(active, pod) || isOwner(alternate, pod)) continue;
    const object = `handle ${handle}`;
    if (!alternate)
      throw new IpamError("AlternateOwnerEmpty", `${address} has no alternate owner`, { object });
    throw new IpamError(
      "AlternateOwnerMismatch",
      `the alternate owner of ${address} is ${describeOwner(alternate)}, not ${pod.namespace}/${pod.name}`,
      { object },
    );
  }
}
