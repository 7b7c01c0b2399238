import { type Owners, sameHandle } from "./block-draft.ts";
import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { allocationOf, blockOf } from "./lookup.ts";
import { blockName } from "./names.ts";
import { describeOwner } from "./owner-record.ts";
import type { Attributes } from "./resources.ts";

/** Expected owner of a side; null: it must be empty. */
export type ExpectedOwner = { readonly namespace: string; readonly name: string } | null;

/** A change of an address's owners, all or nothing. */
export interface SetOwners {
  readonly address: string;
  readonly handle: string;
  /** New attributes of a side, null to clear it, absent to leave it. */
  readonly active?: Attributes | null | undefined;
  readonly alternate?: Attributes | null | undefined;
  /** Preconditions, looked at only for a side that is being changed. */
  readonly expect?:
    | { readonly active?: ExpectedOwner | undefined; readonly alternate?: ExpectedOwner | undefined }
    | undefined;
}

/** Who has an address: its handle, and the active and alternate owner. */
export interface AddressOwners extends Owners {
  readonly handle: string | undefined;
}

/** @throws IpamError NotAllocated */
export async function getOwners(engine: Engine, address: string): Promise<AddressOwners> {
  const allocation = await allocationOf(engine, address);
  if (!allocation) throw new IpamError("NotAllocated", `${address} is not assigned`);
  return { handle: allocation.handle, ...allocation.owners };
}

/**
 * Changes the owners of one address in one conditional write. Works whether the pool is enabled, disabled or gone.
 * @throws IpamError NotAllocated, AddressCoolingDown, HandleMismatch, OwnerConflict
 */
export async function setOwners(engine: Engine, request: SetOwners): Promise<void> {
  const { address, handle } = request;
  const found = await blockOf(engine, address);
  const ordinal = found?.geometry.ordinalOf(address) ?? -1;
  const absent = () => new IpamError("NotAllocated", `${address} is not assigned`);
  if (!found) throw absent();
  const done = await engine.blocks.update(found.geometry.cidr, (draft) => {
    if (draft.state(ordinal) === "cooling")
      throw new IpamError("AddressCoolingDown", `${address} was released recently and rests`);
    const present = draft.at(ordinal);
    if (!present) throw absent();
    if (!sameHandle(present.handle, handle))
      throw new IpamError("HandleMismatch", `IP ${address} is not assigned to handle ${handle}`, {
        object: `IPAMBlock ${blockName(found.geometry.cidr)}`,
        field: `spec.allocations[${ordinal}]`,
      });
    const next = { ...present.owners };
    for (const side of ["active", "alternate"] as const) {
      const value = request[side];
      if (value === undefined) continue;
      checkExpected(side, present.owners[side], request.expect?.[side]);
      next[side] = value;
    }
    draft.setOwners(ordinal, next);
  });
  if (done === blockGone) throw absent();
}

const fieldOf = { active: "ActiveOwnerAttrs", alternate: "AlternateOwnerAttrs" } as const;

function checkExpected(
  side: "active" | "alternate",
  present: Attributes | null,
  expected: ExpectedOwner | undefined,
) {
  if (expected === undefined) return;
  const wanted = { namespace: expected?.namespace ?? "", pod: expected?.name ?? "" };
  const has = { namespace: present?.namespace ?? "", pod: present?.pod ?? "" };
  const holds =
    expected === null ? present === null : has.namespace === wanted.namespace && has.pod === wanted.pod;
  if (holds) return;
  throw new IpamError(
    "OwnerConflict",
    `cannot set ${fieldOf[side]}: expected ${expected ? describeOwner(wanted) : "empty"} but found ${present ? describeOwner(has) : "empty"}`,
  );
}
