import { type Allocation, type BlockDraft, type Owners, sameHandle } from "./block-draft.ts";
import { IpamError } from "./errors.ts";
import { blockName } from "./names.ts";

/**
 * Takes one named ordinal for a handle; what the handle already has there counts as taken.
 * @throws IpamError AddressInUse, AddressCoolingDown
 */
export function assignOrdinal(
  draft: BlockDraft,
  ordinal: number,
  handle: string,
  owners: Owners,
): Allocation {
  const address = draft.geometry.addressOf(ordinal);
  const present = draft.at(ordinal);
  if (present && sameHandle(present.handle, handle)) return present;
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

export const addressInUse = ({ geometry }: BlockDraft, ordinal: number): IpamError =>
  new IpamError("AddressInUse", `${geometry.addressOf(ordinal)} is already assigned`, {
    object: `IPAMBlock ${blockName(geometry.cidr)}`,
    field: `spec.allocations[${ordinal}]`,
  });
