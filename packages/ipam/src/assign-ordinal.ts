import { attribute } from "./attributes.ts";
import { type Allocation, type BlockDraft, type Owners, sameHandle } from "./block-draft.ts";
import { IpamError } from "./errors.ts";
import { blockName } from "./names.ts";
import { describeOwner, isOfAnother } from "./owner-record.ts";

/**
 * Takes one named ordinal for a handle; what the handle already has there counts as taken.
 * @throws IpamError AddressInUse, AddressCoolingDown, HandleCollision
 */
export function assignOrdinal(
  draft: BlockDraft,
  ordinal: number,
  handle: string,
  owners: Owners,
): Allocation {
  const address = draft.geometry.addressOf(ordinal);
  const present = draft.at(ordinal);
  if (present && sameHandle(present.handle, handle)) {
    checkHandleIsOfPod(handle, [present], owners);
    return present;
  }
  if (present) throw addressInUse(draft, ordinal);
  if (draft.state(ordinal) === "cooling")
    throw new IpamError("AddressCoolingDown", `${address} was released recently and rests`);
  const taken = draft.assign(ordinal, handle, owners);
  if (taken) return taken;
  throw new IpamError("ObjectCorrupt", `${address} is neither free nor allocated`, {
    object: `IPAMBlock ${blockName(draft.geometry.cidr)}`,
    field: `spec.unallocated`,
  });
}

/**
 * Handles are made of joined text and compared without case, so two containers can spell one. What a handle holds for a pod
 * is not another pod's or sandbox's. The pods of a VM share its handle; they say so by their record.
 * @throws IpamError HandleCollision
 */
export function checkHandleIsOfPod(handle: string, held: readonly Allocation[], { active }: Owners): void {
  const {
    [attribute.namespace]: namespace,
    [attribute.pod]: name,
    [attribute.container]: containerId,
  } = active ?? {};
  if (namespace === undefined || name === undefined || active?.[attribute.vmiName] !== undefined) return;
  const its = { namespace, name, containerId };
  const other = held.find(({ owners }) => isOfAnother(owners.active, its))?.owners.active;
  if (other)
    throw new IpamError("HandleCollision", `handle ${handle} holds an address of ${describeOwner(other)}`, {
      object: `handle ${handle}`,
    });
}

export const addressInUse = ({ geometry }: BlockDraft, ordinal: number): IpamError =>
  new IpamError("AddressInUse", `${geometry.addressOf(ordinal)} is already assigned`, {
    object: `IPAMBlock ${blockName(geometry.cidr)}`,
    field: `spec.allocations[${ordinal}]`,
  });
