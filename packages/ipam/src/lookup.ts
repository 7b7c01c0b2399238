import { parseAddress } from "./address.ts";
import type { Allocated } from "./allocator.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationAt, allocationsOfHandle } from "./block-draft.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { blockAround, poolOf } from "./pool.ts";
import type { IPAMBlock } from "./resources.ts";

/**
 * Everything a handle has. The handle's object leads to the blocks; an ordinary pod has none, so all blocks are searched for it.
 */
export async function addressesOf(engine: Engine, handle: string): Promise<Allocated[]> {
  const object = await engine.handles.read(handle);
  const found: Allocated[] = [];
  const add = (block: IPAMBlock, geometry: BlockGeometry) => {
    for (const allocation of allocationsOfHandle(block.spec, geometry, handle))
      found.push({ ...allocation, block: geometry });
  };
  if (object) {
    for (const block of await Promise.all(
      Object.keys(object.spec.block).map((cidr) => engine.blocks.read(cidr)),
    ))
      if (block) add(block.block, block.geometry);
    return found;
  }
  for (const block of await engine.listBlocks()) {
    const geometry = tryDecodeBlock(block);
    if (geometry && !block.spec.deleted) add(block, geometry);
  }
  return found;
}

/**
 * The existing block an address is in: by its pool, enabled or not, or by looking through all blocks. Undefined: there is none.
 * @throws IpamError AddressInvalid, ObjectCorrupt
 */
export async function blockOf(
  engine: Engine,
  text: string,
): Promise<{ readonly block: IPAMBlock; readonly geometry: BlockGeometry } | undefined> {
  const address = parseAddress(text);
  if (!address) throw new IpamError("AddressInvalid", `"${text}" is not an IP address`);
  const { pools } = await engine.settings();
  const pool = poolOf(pools, address);
  const expected = pool ? await engine.blocks.read(blockAround(pool, address.value).cidr) : undefined;
  if (expected) return expected;
  for (const block of await engine.listBlocks()) {
    const geometry = tryDecodeBlock(block);
    if (geometry && !block.spec.deleted && geometry.ordinalOf(text) >= 0) return { block, geometry };
  }
  return undefined;
}

/** Who has an address; undefined when nobody. */
export async function allocationOf(engine: Engine, address: string): Promise<Allocated | undefined> {
  const found = await blockOf(engine, address);
  if (!found) return undefined;
  const allocation = allocationAt(found.block.spec, found.geometry, found.geometry.ordinalOf(address));
  return allocation ? { ...allocation, block: found.geometry } : undefined;
}
