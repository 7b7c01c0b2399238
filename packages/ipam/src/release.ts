import type { Allocated } from "./allocator.ts";
import { attribute } from "./attributes.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import {
  type Allocation,
  allocationsOfHandle,
  type Owners,
  sameHandle,
  sameSequence,
} from "./block-draft.ts";
import { blockGone } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { blockName } from "./names.ts";
import { isOfAnother, type OwningPod } from "./owner-record.ts";
import type { Sequence } from "./resources.ts";

type Sandbox = Omit<OwningPod, "uid">;

/** What is to be freed in one block: an ordinal, with guards only if it is still this handle's or this allocation. */
export interface ReleaseItem {
  readonly ordinal: number;
  readonly handle?: string | undefined;
  /** The allocation's sequence number as it was read. */
  readonly sequence?: Sequence | undefined;
  /** The active owner as it was read; empty names: there was none. A VM keeps handle and number when it starts again. */
  readonly owner?: { readonly namespace: string; readonly pod: string } | undefined;
}

/**
 * Frees addresses of one block in one write, all or none.
 * @returns what was allocated and is free now
 * @throws IpamError HandleMismatch, SequenceMismatch, OwnerConflict
 */
export async function freeInBlock(
  engine: Engine,
  cidr: string,
  items: readonly ReleaseItem[],
): Promise<Allocation[]> {
  const released = await engine.blocks.update(cidr, (draft) => {
    const leaving = items.flatMap(({ ordinal, handle, sequence, owner }) => {
      const present = draft.at(ordinal);
      if (!present) return [];
      const object = `IPAMBlock ${blockName(cidr)}`;
      if (handle !== undefined && !sameHandle(present.handle, handle))
        throw new IpamError(
          "HandleMismatch",
          `${present.address} belongs to handle ${present.handle}, not ${handle}`,
          { object, field: `spec.allocations[${ordinal}]` },
        );
      if (sequence !== undefined && !sameSequence(sequence, present.sequence))
        throw new IpamError(
          "SequenceMismatch",
          `${present.address} has sequence number ${present.sequence}, not ${sequence}`,
          { object, field: `spec.sequenceNumberForAllocation.${ordinal}` },
        );
      const { [attribute.namespace]: namespace = "", [attribute.pod]: pod = "" } =
        present.owners.active ?? {};
      if (owner !== undefined && (owner.namespace !== namespace || owner.pod !== pod))
        throw new IpamError(
          "OwnerConflict",
          `${present.address} belongs to pod ${namespace}/${pod} by now, not to ${owner.pod ? `${owner.namespace}/${owner.pod}` : "none"}`,
          { object, field: `spec.allocations[${ordinal}]` },
        );
      return [present];
    });
    for (const { ordinal } of leaving) draft.release(ordinal);
    return leaving;
  });
  return released === blockGone ? [] : released;
}

/** Whether an allocation is still the one that was read: the same handle, the same sequence number, the same owners. */
export const isUnchanged = (present: Allocation, read: Allocation): boolean =>
  sameHandle(present.handle, read.handle ?? "") &&
  sameSequence(present.sequence, read.sequence) &&
  ownersText(present.owners) === ownersText(read.owners);

export const ownersText = ({ active, alternate }: Owners): string => JSON.stringify([active, alternate]);

/**
 * Frees an address only if it is still the very allocation that was read or made: what goes back is what somebody decided on,
 * never what others have by now.
 */
export async function freeUnchanged(engine: Pick<Engine, "blocks">, allocation: Allocated): Promise<boolean> {
  const freed = await engine.blocks.update(allocation.block.cidr, (draft) => {
    const present = draft.at(allocation.ordinal);
    if (!present || !isUnchanged(present, allocation)) return false;
    draft.release(allocation.ordinal);
    return true;
  });
  return freed === true;
}

/** Whether an address of a handle may be freed: two owners can spell one handle. */
type IsOwn = (held: Allocation) => boolean;

/** All that is not recorded for another pod or sandbox; without a pod all there is. */
export const unlessOfAnother =
  (pod?: Sandbox): IsOwn =>
  ({ owners }) =>
    !pod || !isOfAnother(owners.active, pod);

/**
 * Frees a handle's own addresses in these blocks, one write each.
 * @returns them, and whether the handle has others there
 */
export async function releaseOwn(
  engine: Engine,
  cidrs: Iterable<string>,
  handle: string,
  isOwn: IsOwn,
): Promise<{ readonly released: readonly string[]; readonly hasOthers: boolean }> {
  const outcomes = await Promise.all(
    [...cidrs].map((cidr) =>
      engine.blocks.update(cidr, (draft) => {
        const held = draft.ofHandle(handle);
        const own = held.filter(isOwn);
        for (const { ordinal } of own) draft.release(ordinal);
        return { own, hasOthers: own.length < held.length };
      }),
    ),
  );
  const found = outcomes.filter((outcome) => outcome !== blockGone);
  return {
    released: found.flatMap(({ own }) => own.map(({ address }) => address)),
    hasOthers: found.some(({ hasOthers }) => hasOthers),
  };
}

/**
 * Frees every address of a handle, or of a pod under it: those its IPAMHandle object leads to, and, to be sure (`search`), those in
 * any block.
 * @returns the addresses freed; none when there is no such handle
 */
export async function releaseByHandle(
  engine: Engine,
  handle: string,
  { search, pod }: { readonly search: boolean; readonly pod?: Sandbox },
): Promise<readonly string[]> {
  const object = await engine.handles.read(handle);
  const cidrs = new Set([...(object ? Object.keys(object.spec.block) : []), ...engine.blocks.inDoubt()]);
  if (search && !object)
    for (const block of await engine.listBlocks()) {
      const geometry = tryDecodeBlock(block);
      if (geometry && allocationsOfHandle(block.spec, geometry, handle).length > 0) cidrs.add(geometry.cidr);
    }
  const { released, hasOthers } = await releaseOwn(engine, cidrs, handle, unlessOfAnother(pod));
  if (object && !hasOthers) await forgetHandle(engine, handle, object.metadata.resourceVersion);
  return released;
}

/**
 * Frees what a pod has under a handle that others could have as well (`namespace.pod` of old versions): only addresses whose
 * record names this pod, and none of a VM.
 */
export async function releaseOfPod(engine: Engine, handle: string, pod: Sandbox): Promise<readonly string[]> {
  const object = await engine.handles.read(handle);
  if (!object) return [];
  const { released, hasOthers } = await releaseOwn(
    engine,
    Object.keys(object.spec.block),
    handle,
    ({ owners: { active } }) =>
      active?.[attribute.namespace] === pod.namespace &&
      active[attribute.pod] === pod.name &&
      active[attribute.vmiName] === undefined,
  );
  if (!hasOthers) await forgetHandle(engine, handle, object.metadata.resourceVersion);
  return released;
}

/** Removes a handle's object after its addresses were freed, unless somebody wrote it since. */
async function forgetHandle(engine: Engine, handle: string, resourceVersion: string | undefined) {
  await engine.handles.update(handle, (present) =>
    present?.metadata.resourceVersion === resourceVersion ? null : undefined,
  );
}
