import { cidrContains, parseCidr } from "./address.ts";
import { nodeOfAffinity } from "./affinities.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import type { IPAMBlock } from "./resources.ts";

/** A block that belongs to a node. */
export interface AffinityView {
  readonly cidr: string;
  readonly node: string;
  readonly state: string;
}

export async function listAffinities(engine: Engine): Promise<readonly AffinityView[]> {
  return (await engine.store.list("BlockAffinity")).map(({ spec }) => ({
    cidr: spec.cidr,
    node: spec.node,
    state: spec.state || "confirmed",
  }));
}

/**
 * Gives a block to a node. False: another node has it.
 * @throws IpamError RequestInvalid
 */
export async function claimAffinity(engine: Engine, node: string, cidr: string): Promise<boolean> {
  const geometry = blockGeometry(cidr);
  if (!geometry)
    throw new IpamError("RequestInvalid", `"${cidr}" is not the CIDR of a block`, { field: "cidr" });
  const host = engine.host(node);
  await host.load();
  return host.claimExactly(geometry);
}

/** Takes a block from a node. False: it is in use and `mustBeEmpty`. */
export async function releaseAffinity(
  engine: Engine,
  node: string,
  cidr: string,
  { mustBeEmpty = false }: { readonly mustBeEmpty?: boolean } = {},
): Promise<boolean> {
  const released = await engine.affinities.release(node, cidr, { mustBeEmpty });
  if (released) engine.host(node).drop(cidr);
  return released;
}

/** Takes all blocks from a node, for example one that was removed. Addresses in use stay allocated; other nodes adopt the blocks. */
export async function releaseHostAffinities(
  engine: Engine,
  node: string,
  options?: { readonly mustBeEmpty?: boolean },
): Promise<readonly string[]> {
  const cidrs = new Set(
    (await listAffinities(engine)).filter((one) => one.node === node).map(({ cidr }) => cidr),
  );
  for (const block of await engine.listBlocks())
    if (nodeOfAffinity(block.spec.affinity) === node && tryDecodeBlock(block)) cidrs.add(block.spec.cidr);
  const released: string[] = [];
  for (const cidr of cidrs) if (await releaseAffinity(engine, node, cidr, options)) released.push(cidr);
  return released;
}

/** Takes all blocks of a pool from their nodes. With `mustBeEmpty`, a block that is in use stays its node's. */
export async function releasePoolAffinities(
  engine: Engine,
  poolCidr: string,
  options?: { readonly mustBeEmpty?: boolean },
): Promise<readonly string[]> {
  const inside = insideOf(poolCidr);
  const affine = new Map((await listAffinities(engine)).map(({ cidr, node }) => [cidr, node]));
  for (const { spec } of await engine.listBlocks()) {
    const node = nodeOfAffinity(spec.affinity);
    if (node !== undefined) affine.set(spec.cidr, node);
  }
  const released: string[] = [];
  for (const [cidr, node] of affine)
    if (inside(cidr) && (await releaseAffinity(engine, node, cidr, options))) released.push(cidr);
  return released;
}

/** @throws IpamError RequestInvalid when the text is no CIDR */
function insideOf(poolCidr: string): (cidr: string) => boolean {
  const network = parseCidr(poolCidr);
  if (!network) throw new IpamError("RequestInvalid", `"${poolCidr}" is not a CIDR`, { field: "cidr" });
  return (cidr) => {
    const block = parseCidr(cidr);
    return block !== undefined && cidrContains(network, block);
  };
}

/** What became of a pool that was to be deleted. */
export type PoolDeletion =
  | { readonly deleted: true; readonly releasedBlocks: readonly string[] }
  /** It gives out no more addresses and waits for these to become free. */
  | { readonly deleted: false; readonly inUse: number };

/**
 * Deletes a pool that nobody uses: disables it, waits until every node has heard, takes its blocks from the nodes, deletes it.
 * A pool with addresses in use stays, disabled, with all its blocks; a later call deletes it when they are free.
 *
 * A pool that somebody changes meanwhile stays, too: the removal holds for the version that was disabled here.
 * @throws IpamError PoolNotFound; TooManyConflicts when the pool was changed meanwhile
 */
export async function deletePool(
  engine: Engine,
  name: string,
  settle: () => Promise<void>,
): Promise<PoolDeletion> {
  let pool = await engine.store.get("IPPool", name);
  if (!pool) throw new IpamError("PoolNotFound", `IPPool ${name} does not exist`);
  const { cidr } = pool.spec;
  const countUsed = async (): Promise<number> => inUse(await engine.listBlocks(), insideOf(cidr));
  if (!pool.spec.disabled) {
    pool = await engine.store.replace("IPPool", { ...pool, spec: { ...pool.spec, disabled: true } });
    await engine.settings({ fresh: true });
  }
  const before = await countUsed();
  if (before > 0) return { deleted: false, inUse: before };
  await settle();
  const releasedBlocks = await releasePoolAffinities(engine, cidr, { mustBeEmpty: true });
  // A node that heard late may have taken an address between the two looks.
  const after = await countUsed();
  if (after > 0) return { deleted: false, inUse: after };
  await engine.store.remove("IPPool", pool);
  await engine.settings({ fresh: true });
  return { deleted: true, releasedBlocks };
}

/** Addresses in use inside a network. A block that cannot be read, or does not say where it lies, counts as one. */
function inUse(blocks: readonly IPAMBlock[], inside: (cidr: string) => boolean): number {
  let count = 0;
  for (const block of blocks) {
    const cidr = block.spec?.cidr;
    const isSomewhere = typeof cidr === "string" && parseCidr(cidr) !== undefined;
    if (isSomewhere && !inside(cidr)) continue;
    const geometry = tryDecodeBlock(block);
    count += geometry ? allocationsOf(block.spec, geometry).toArray().length : 1;
  }
  return count;
}
