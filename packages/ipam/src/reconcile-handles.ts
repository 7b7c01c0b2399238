import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import { checkHandle } from "./handles.ts";
import { handleName } from "./names.ts";
import { releaseInBlock } from "./release.ts";
import type { IPAMHandle } from "./resources.ts";
import type { Sightings } from "./sightings.ts";

/**
 * Brings handle objects in line with the blocks, which are the truth. A difference counts only after it has stood unchanged for the
 * grace period: a claim under way names its block before it writes there.
 * @returns the handles corrected
 */
export async function reconcileHandles(
  engine: Engine,
  sightings: Sightings,
  now: number,
  graceMs: number,
): Promise<string[]> {
  const objects = await engine.store.list("IPAMHandle");
  const actual = new Map<string, Map<string, number>>();
  for (const block of await engine.listBlocks()) {
    const geometry = tryDecodeBlock(block);
    // What a corrupt block holds is unknown: no handle that names it is touched.
    if (!geometry) return [];
    for (const { handle } of allocationsOf(block.spec, geometry)) {
      if (!handle) continue;
      const name = handleName(handle);
      const counts = actual.get(name) ?? new Map<string, number>();
      actual.set(name, counts.set(geometry.cidr, (counts.get(geometry.cidr) ?? 0) + 1));
    }
  }
  const repaired: string[] = [];
  for (const object of objects) {
    if (!isSound(object)) continue;
    const counts = actual.get(object.metadata.name) ?? new Map<string, number>();
    const recorded = object.spec.block;
    const differs =
      Object.keys(recorded).length !== counts.size ||
      [...counts].some(([cidr, count]) => recorded[cidr] !== count);
    const key = `handle ${object.metadata.name} ${object.metadata.resourceVersion} ${JSON.stringify([...counts])}`;
    if (!differs || !sightings.see(key, now, graceMs)) continue;
    if (await dropSurplus(engine, object, counts)) continue;
    let done = false;
    await engine.handles.update(object.spec.handleID, (present) => {
      done = present?.metadata.resourceVersion === object.metadata.resourceVersion;
      if (!done || !present) return undefined;
      return counts.size === 0 ? null : { spec: { ...present.spec, block: Object.fromEntries(counts) } };
    });
    if (done) repaired.push(object.spec.handleID);
  }
  const known = new Set(objects.map(({ metadata }) => metadata.name));
  for (const [handle, counts] of missingVmHandles(actual, known)) {
    if (!sightings.see(`missing ${handle} ${JSON.stringify([...counts])}`, now, graceMs)) continue;
    await engine.handles.update(handle, (present) =>
      present ? undefined : { spec: { handleID: handle, block: Object.fromEntries(counts), deleted: false } },
    );
    repaired.push(handle);
  }
  return repaired;
}

/** A VM is found by its handle's object alone, so an address without one would be lost to it. */
function* missingVmHandles(
  actual: ReadonlyMap<string, ReadonlyMap<string, number>>,
  known: ReadonlySet<string>,
): Generator<[string, ReadonlyMap<string, number>]> {
  for (const [name, counts] of actual) if (name.includes(".vmi.") && !known.has(name)) yield [name, counts];
}

/**
 * A VM has one address per family. If a process died between taking one and finding out that another was first, the one in the block
 * that its handle does not name goes back.
 */
async function dropSurplus(
  engine: Engine,
  { spec }: IPAMHandle,
  counts: Map<string, number>,
): Promise<boolean> {
  if (!spec.handleID.includes(".vmi.")) return false;
  let dropped = false;
  for (const family of [4, 6] as const) {
    const cidrs = [...counts.keys()].filter((cidr) => cidr.includes(":") === (family === 6));
    const named = cidrs.filter((cidr) => cidr in spec.block);
    if (named.length === 0) continue;
    for (const cidr of cidrs)
      if (!named.includes(cidr)) {
        await releaseInBlock(engine, cidr, [{ handle: spec.handleID }]);
        dropped = true;
      }
  }
  return dropped;
}

function isSound(object: IPAMHandle): boolean {
  try {
    checkHandle(object);
    return true;
  } catch {
    return false;
  }
}
