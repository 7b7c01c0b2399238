import { parseAddress } from "./address.ts";
import { nodeOfAffinity } from "./affinities.ts";
import { isEmptyBlock } from "./block-draft.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import { blockOf } from "./lookup.ts";
import { handleName } from "./names.ts";
import { blockAround, poolOf } from "./pool.ts";
import { freeInBlock, type ReleaseItem } from "./release.ts";
import type { Sequence } from "./resources.ts";

/** An address to free, and the guards that must hold. */
export interface AddressRelease {
  readonly address: string;
  /** Free it only if this handle has it. */
  readonly handle?: string | undefined;
  /** Free it only if it is still the allocation that had this number. */
  readonly sequence?: Sequence | undefined;
  /** Free it only if this pod is still recorded as active owner; empty names: only if none is. */
  readonly owner?: ReleaseItem["owner"];
}

/** What became of each address. */
export interface ReleaseResult {
  readonly released: readonly string[];
  /** Were free already, or rest after their release. */
  readonly unallocated: readonly string[];
  /** A guard that does not hold fails all addresses of its block. */
  readonly failures: readonly { readonly address: string; readonly error: IpamError }[];
}

/** Frees addresses, block by block, one write each. */
export async function releaseAddresses(
  engine: Engine,
  items: readonly AddressRelease[],
): Promise<ReleaseResult> {
  const groups = new Map<
    string,
    { readonly geometry: BlockGeometry; readonly items: (ReleaseItem & AddressRelease)[] }
  >();
  const unallocated: string[] = [];
  const failures: { address: string; error: IpamError }[] = [];
  const fail = (address: string, error: unknown) => {
    if (!(error instanceof IpamError)) throw error;
    failures.push({ address, error });
  };
  const { pools } = await engine.settings();
  for (const item of items) {
    const address = parseAddress(item.address);
    if (!address) {
      const text = `"${item.address}" is not an IP address`;
      fail(item.address, new IpamError("AddressInvalid", text, { object: `address ${item.address}` }));
      continue;
    }
    const pool = poolOf(pools, address);
    const known = pool && groups.get(blockAround(pool, address.value).cidr);
    const geometry = known?.geometry ?? (await blockOf(engine, item.address))?.geometry;
    if (!geometry) {
      unallocated.push(item.address);
      continue;
    }
    const group = groups.get(geometry.cidr) ?? { geometry, items: [] };
    groups.set(geometry.cidr, group);
    group.items.push({ ...item, ordinal: geometry.ordinalOf(item.address) });
  }
  const indexed =
    items.length > 2
      ? new Set((await engine.store.list("IPAMHandle")).map(({ metadata }) => metadata.name))
      : undefined;
  const released: string[] = [];
  await Promise.all(
    [...groups].map(async ([cidr, group]) => {
      try {
        const freed = await freeInBlock(engine, cidr, group.items);
        released.push(...freed.map(({ address }) => address));
        for (const { address } of group.items)
          if (!freed.some((item) => group.geometry.ordinalOf(address) === item.ordinal))
            unallocated.push(address);
        await forgetInHandles(engine, cidr, freed, indexed);
        await tidyAffinity(engine, group.geometry);
      } catch (error) {
        for (const { address } of group.items) fail(address, error);
      }
    }),
  );
  return { released, unallocated, failures };
}

async function forgetInHandles(
  engine: Engine,
  cidr: string,
  freed: readonly { readonly handle: string | undefined }[],
  indexed: ReadonlySet<string> | undefined,
) {
  const counts = new Map<string, number>();
  for (const { handle } of freed)
    if (handle && indexed?.has(handleName(handle)) !== false)
      counts.set(handle, (counts.get(handle) ?? 0) + 1);
  for (const [handle, count] of counts) await engine.handles.add(handle, cidr, -count);
}

/** An empty block leaves a node that its pool no longer selects. */
export async function tidyAffinity(engine: Engine, geometry: BlockGeometry): Promise<void> {
  const block = engine.blocks.peek(geometry.cidr) ?? (await engine.blocks.read(geometry.cidr))?.block;
  const node = nodeOfAffinity(block?.spec.affinity);
  if (!block || node === undefined || !isEmptyBlock(block.spec)) return;
  const labels = engine.host(node).labels ?? (await engine.facts?.node(node))?.labels;
  const pool = poolOf((await engine.settings()).pools, geometry.network);
  if (!labels || !pool || pool.selectsNode(labels)) return;
  if (await engine.affinities.release(node, geometry.cidr, { mustBeEmpty: true }))
    engine.host(node).drop(geometry.cidr);
}
