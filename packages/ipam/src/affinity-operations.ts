import { cidrContains, parseCidr } from "./address.ts";
import { nodeOfAffinity } from "./affinities.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { blockGeometry } from "./block-geometry.ts";
import type { Engine } from "./engine.ts";
import { IpamError } from "./errors.ts";
import type { IPPool } from "./resources.ts";

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

/** Takes all blocks of a pool from their nodes. */
export async function releasePoolAffinities(engine: Engine, poolCidr: string): Promise<readonly string[]> {
  const network = parseCidr(poolCidr);
  if (!network) throw new IpamError("RequestInvalid", `"${poolCidr}" is not a CIDR`, { field: "cidr" });
  const inside = (cidr: string) => {
    const block = parseCidr(cidr);
    return block !== undefined && cidrContains(network, block);
  };
  const affine = new Map((await listAffinities(engine)).map(({ cidr, node }) => [cidr, node]));
  for (const { spec } of await engine.listBlocks()) {
    const node = nodeOfAffinity(spec.affinity);
    if (node !== undefined) affine.set(spec.cidr, node);
  }
  const released: string[] = [];
  for (const [cidr, node] of affine)
    if (inside(cidr) && (await releaseAffinity(engine, node, cidr))) released.push(cidr);
  return released;
}

/**
 * Deletes a pool: disables it, waits until every node has heard, takes its blocks from the nodes, deletes it. What is still in use in
 * it stays in use, and can be released, migrated and re-used by its VM.
 */
export async function deletePool(
  engine: Engine,
  name: string,
  settle: () => Promise<void>,
): Promise<{ readonly releasedBlocks: readonly string[] }> {
  const read = async (): Promise<IPPool> => {
    const pool = await engine.store.get("IPPool", name);
    if (!pool) throw new IpamError("PoolNotFound", `IPPool ${name} does not exist`);
    return pool;
  };
  let pool = await read();
  if (!pool.spec.disabled)
    pool = await engine.store.replace("IPPool", { ...pool, spec: { ...pool.spec, disabled: true } });
  await engine.settings({ fresh: true });
  await settle();
  const releasedBlocks = await releasePoolAffinities(engine, pool.spec.cidr);
  await engine.store.remove("IPPool", await read());
  await engine.settings({ fresh: true });
  return { releasedBlocks };
}
