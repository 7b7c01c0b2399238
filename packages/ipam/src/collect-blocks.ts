import { nodeOfAffinity } from "./affinities.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { isCoolingDown, isEmptyBlock } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import { ignoreConflict } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import type { ClusterFacts } from "./facts.ts";
import type { BlockAttribute, IPAMBlock } from "./resources.ts";
import type { Sightings } from "./sightings.ts";

/** One scan, as the collection of blocks sees it. */
export interface BlockScan {
  readonly blocks: readonly IPAMBlock[];
  /** The first look: may come from lists. */
  readonly seen: ClusterFacts;
  /** Asked again before anything is taken. */
  readonly live: ClusterFacts;
  readonly sightings: Sightings;
  readonly now: number;
  readonly graceMs: number;
}

/** Takes away blocks of nodes that are gone, and, of nodes with several, those that stay empty. */
export async function collectBlocks(
  engine: Engine,
  { blocks, seen, live, sightings, now, graceMs }: BlockScan,
): Promise<string[]> {
  const released: string[] = [];
  const perNode = new Map<string, IPAMBlock[]>();
  for (const block of blocks) {
    const node = nodeOfAffinity(block.spec.affinity);
    if (node === undefined || !tryDecodeBlock(block)) continue;
    const beside = perNode.get(node);
    if (beside) beside.push(block);
    else perNode.set(node, [block]);
  }
  for (const [node, own] of perNode) {
    const gone = !(await seen.node(node));
    const familyOf = ({ spec }: IPAMBlock) => (spec.cidr.includes(":") ? 6 : 4);
    const left = { 4: 0, 6: 0 };
    for (const block of own) left[familyOf(block)]++;
    for (const block of own) {
      if (!gone && (!isEmptyBlock(block.spec) || left[familyOf(block)] <= 1)) continue;
      const key = `block ${gone ? "gone" : "empty"} ${block.spec.cidr} ${node}`;
      if (!sightings.see(key, now, gone ? 0 : graceMs)) continue;
      if (gone && (await live.node(node))) continue;
      const done = await engine.affinities.release(node, block.spec.cidr, { mustBeEmpty: !gone });
      if (!done) continue;
      left[familyOf(block)]--;
      engine.host(node).drop(block.spec.cidr);
      released.push(block.spec.cidr);
    }
  }
  return released;
}

/** Removes affinities to blocks that are not the node's: left over from a claim that was lost or interrupted. */
export async function dropStaleAffinities(
  engine: Engine,
  { blocks, sightings, now, graceMs }: BlockScan,
): Promise<void> {
  const nodeOf = new Map(blocks.map(({ spec }) => [spec.cidr, nodeOfAffinity(spec.affinity)]));
  for (const affinity of await engine.store.list("BlockAffinity")) {
    const { metadata, spec } = affinity;
    if (spec.type === "virtual" || nodeOf.get(spec.cidr) === spec.node || !blockGeometry(spec.cidr)) continue;
    if (!sightings.see(`affinity ${metadata.name} ${metadata.resourceVersion}`, now, graceMs)) continue;
    await engine.store.remove("BlockAffinity", affinity).catch(ignoreConflict);
  }
}

/** Addresses whose rest is over become free, and blocks that nobody has and that are empty then disappear. */
export async function thawBlocks(
  engine: Engine,
  blocks: readonly IPAMBlock[],
  cooldownSeconds: number,
): Promise<void> {
  const options = { now: engine.now(), cooldownSeconds };
  for (const block of blocks) {
    const { cidr, attributes } = block.spec;
    const isOver = (entry: BlockAttribute) => entry.releasedAt && !isCoolingDown(entry, options);
    if (tryDecodeBlock(block) && attributes.some(isOver))
      await engine.blocks.update(cidr, (draft) => {
        draft.changed ||= draft.thawed > 0;
      });
  }
}
