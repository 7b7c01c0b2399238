import type { Allocated } from "./allocator.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import type { Engine } from "./engine.ts";
import { checkHandle } from "./handles.ts";
import { inParallel } from "./in-parallel.ts";
import { handleName } from "./names.ts";
import { freeUnchanged } from "./release.ts";
import type { IPAMHandle } from "./resources.ts";
import type { Sightings } from "./sightings.ts";

/** So many objects are written at a time. */
const parallel = 8;

/**
 * Brings handle objects in line with the blocks, which are the truth. A difference counts only after it has stood unchanged for the
 * grace period: a claim under way names its block before it writes there. A VM is found by its handle's object alone, so one that is
 * missing is made; those of pods are made where the incumbent looks for them.
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
  const held = new Map<string, Allocated[]>();
  for (const block of await engine.listBlocks()) {
    const geometry = tryDecodeBlock(block);
    // What a corrupt block holds is unknown: no handle that names it is touched.
    if (!geometry) return [];
    for (const allocation of allocationsOf(block.spec, geometry)) {
      const { handle } = allocation;
      if (!handle) continue;
      const name = handleName(handle);
      held.set(name, [...(held.get(name) ?? []), { ...allocation, block: geometry }]);
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
    if (await dropSurplus(engine, object, held.get(object.metadata.name) ?? [])) continue;
    let done = false;
    await engine.handles.update(object.spec.handleID, (present) => {
      done = present?.metadata.resourceVersion === object.metadata.resourceVersion;
      if (!done || !present) return undefined;
      return counts.size === 0 ? null : { spec: { ...present.spec, block: Object.fromEntries(counts) } };
    });
    if (done) repaired.push(object.spec.handleID);
  }
  const known = new Set(objects.map(({ metadata }) => metadata.name));
  const missing = [...actual].filter(
    ([name]) => !known.has(name) && (engine.handleObjects === "always" || name.includes(".vmi.")),
  );
  await inParallel(missing, parallel, async ([name, counts]) => {
    if (!sightings.see(`missing ${name} ${JSON.stringify([...counts])}`, now, graceMs)) return;
    const handle = held.get(name)?.[0]?.handle ?? name;
    await engine.handles.update(handle, (present) =>
      present ? undefined : { spec: { handleID: handle, block: Object.fromEntries(counts), deleted: false } },
    );
    repaired.push(handle);
  });
  return repaired;
}

/**
 * A VM has one address per family. If a process died between taking one and finding out that another was first, the one in the block
 * that its handle does not name goes back, unless somebody has taken it up since it was read.
 */
async function dropSurplus(
  engine: Engine,
  { spec }: IPAMHandle,
  held: readonly Allocated[],
): Promise<boolean> {
  if (!spec.handleID.includes(".vmi.")) return false;
  let dropped = false;
  for (const allocation of held) {
    const { cidr, family } = allocation.block;
    const named = Object.keys(spec.block).filter((other) => other.includes(":") === (family === 6));
    const isSurplus = named.length > 0 && !(cidr in spec.block);
    if (isSurplus && held.some(({ block }) => named.includes(block.cidr)))
      dropped = (await freeUnchanged(engine, allocation)) || dropped;
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
