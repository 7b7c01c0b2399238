import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { describeOwner, promote, withoutOwner } from "./owner-rules.ts";
import { readVm, type VmState } from "./vm-state.ts";

export interface LeavingPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid?: string | undefined;
}

export interface VmRelease {
  readonly released: readonly string[];
  readonly kept: readonly string[];
  /** The pod was recorded as an owner. */
  readonly isOwner: boolean;
}

/**
 * A pod of a VM ends: its ownership is cleared on every address. With `free`, addresses nobody owns any more are released in the same
 * write. An address that cannot be written does not stop the others; the first failure is thrown at the end.
 */
export async function releaseVm(
  engine: Engine,
  handle: string,
  pod: LeavingPod,
  { free }: { readonly free: boolean },
): Promise<VmRelease> {
  const { object, held } = await readVm(engine, handle);
  const released: string[] = [];
  const kept: string[] = [];
  const isOwner = held.some(({ owners }) => withoutOwner(owners, pod) !== undefined);
  const outcomes = await Promise.allSettled(
    held.map(async ({ block, ordinal, address }) => {
      const outcome = await engine.blocks.update(block.cidr, (draft) => {
        const present = draft.at(ordinal);
        if (!present || present.handle?.toLowerCase() !== handle.toLowerCase()) return "absent";
        const left = withoutOwner(present.owners, pod) ?? present.owners;
        if (free && !left.active && !left.alternate) {
          draft.release(ordinal);
          return "released";
        }
        if (left !== present.owners) draft.setOwners(ordinal, left);
        return "kept";
      });
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

/** Alternate owner becomes active owner on every address. */
export async function promoteVm(engine: Engine, handle: string, pod: LeavingPod): Promise<void> {
  const state: VmState = await readVm(engine, handle);
  if (state.held.length === 0)
    throw new IpamError("HandleNotFound", `no IPs found for handle ${handle}`, {
      object: `handle ${handle}`,
    });
  const outcomes = await Promise.allSettled(
    state.held.map(({ block, ordinal, address }) =>
      engine.blocks.update(block.cidr, (draft) => {
        const present = draft.at(ordinal);
        if (!present || present.handle?.toLowerCase() !== handle.toLowerCase())
          throw new IpamError("OwnerConflict", `IP ${address} is not assigned to handle ${handle}`);
        const outcome = promote(present.owners, pod);
        if (outcome.verdict === "empty")
          throw new IpamError("AlternateOwnerEmpty", `${address} has no alternate owner`, {
            object: `handle ${handle}`,
          });
        if (outcome.verdict === "mismatch")
          throw new IpamError(
            "AlternateOwnerMismatch",
            `the alternate owner of ${address} is ${describeOwner(outcome.alternate)}, not ${pod.namespace}/${pod.name}`,
            { object: `handle ${handle}` },
          );
        if (outcome.verdict === "write") draft.setOwners(ordinal, outcome.owners);
      }),
    ),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") throw outcome.reason;
    if (outcome.value === blockGone)
      throw new IpamError("OwnerConflict", `a block of ${handle} was removed meanwhile`, {
        object: `handle ${handle}`,
      });
  }
}
