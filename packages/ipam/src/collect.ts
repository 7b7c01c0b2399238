import { setImmediate as turn } from "node:timers/promises";
import { nodeOfAffinity } from "./affinities.ts";
import type { Allocated } from "./allocator.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf, isCoolingDown, isEmptyBlock } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import { ignoreConflict } from "./block-table.ts";
import type { Engine } from "./engine.ts";
import type { ClusterFacts } from "./facts.ts";
import { type JudgeOptions, judge, type Verdict } from "./leak-verdict.ts";
import { handleName } from "./names.ts";
import { reconcileHandles } from "./reconcile-handles.ts";
import { freeUnchanged, isUnchanged, ownersText } from "./release.ts";
import type { BlockAttribute, IPAMBlock, IPAMHandle } from "./resources.ts";
import { Sightings } from "./sightings.ts";

/** What is leaked in whose eyes, and after how long. */
export interface CollectorOptions {
  /** May come from a cache. */
  readonly facts: ClusterFacts;
  /** Asked again right before anything is released; by default the same. */
  readonly live?: ClusterFacts | undefined;
  /** How long an address must look leaked. Default 15 min; 0 switches collection off. */
  readonly graceMs?: number | undefined;
  /** The same for VMs, at least 5 min. */
  readonly vmGraceMs?: number | undefined;
  /** A clock that does not jump, in milliseconds. */
  readonly monotonic?: (() => number) | undefined;
}

/** What one scan saw and did. */
export interface CollectReport {
  readonly allocations: number;
  /** Looks leaked, but not for long enough yet. */
  readonly candidates: number;
  readonly released: readonly { readonly address: string; readonly why: string }[];
  /** Owner records of pods that are gone, cleared. */
  readonly clearedOwners: readonly string[];
  /** Blocks taken from nodes that do not exist any more, or left empty for long. */
  readonly releasedBlocks: readonly string[];
  /** Handle objects corrected. */
  readonly repairedHandles: readonly string[];
  /** What could not be judged or freed, in words. */
  readonly problems: readonly string[];
}

/** Leak collection, in one process of the cluster. */
export interface Collector {
  /** Looks at everything once. Run it every half grace period. */
  scan(): Promise<CollectReport>;
}

const blocksPerTurn = 64;
const minute = 60_000;
export const defaultGraceMs = 15 * minute;
export const minimumVmGraceMs = 5 * minute;

interface Suspect {
  readonly allocation: Allocated;
  readonly verdict: Extract<Verdict, { kind: "leaked" }>;
}

/** Finds addresses nobody uses and frees them: after a grace period, seen twice, checked again live, guarded against re-use. */
export function createCollector(engine: Engine, options: CollectorOptions): Collector {
  const { facts, live = facts, graceMs = defaultGraceMs, monotonic = () => performance.now() } = options;
  const vmGraceMs = Math.max(minimumVmGraceMs, options.vmGraceMs ?? graceMs);
  const sightings = new Sightings();

  async function scan(): Promise<CollectReport> {
    const now = monotonic();
    const { configuration } = await engine.settings({ fresh: true });
    const [blocks, handleObjects] = await Promise.all([engine.listBlocks(), engine.store.list("IPAMHandle")]);
    const handles = new Map(handleObjects.map((object) => [object.metadata.name, object]));
    const problems: string[] = [];
    const released: { address: string; why: string }[] = [];
    const clearedOwners: string[] = [];
    let allocations = 0;
    let candidates = 0;
    const judgeWith = (facts: ClusterFacts, handle: IPAMHandle | undefined): JudgeOptions => ({
      facts,
      handle,
      persistence: configuration.kubeVirtVMAddressPersistence,
      replacedVm: engine.replacedVm,
    });

    /** Handle to its suspects; a handle with any valid address keeps all. */
    const suspects = new Map<string, Suspect[]>();
    for (const [i, block] of blocks.entries()) {
      // Others in this process want to run too.
      if (i % blocksPerTurn === 0) await turn();
      const geometry = tryDecodeBlock(block);
      if (!geometry) {
        problems.push(`IPAMBlock ${block.metadata.name} is corrupt and set aside`);
        continue;
      }
      for (const one of allocationsOf(block.spec, geometry)) {
        allocations++;
        const allocation = { ...one, block: geometry };
        const handle = one.handle?.toLowerCase() ?? "";
        const object = handles.size > 0 ? handles.get(handleName(handle)) : undefined;
        const verdict = await judge(one, judgeWith(facts, object)).catch((error: unknown): undefined => {
          problems.push(
            `${one.address} cannot be judged: ${error instanceof Error ? error.message : String(error)}`,
          );
        });
        if (verdict?.kind !== "leaked") {
          for (const side of verdict?.stale ?? [])
            if (await clearOwner(allocation, side, now)) clearedOwners.push(`${one.address} ${side}`);
          continue;
        }
        suspects.set(handle, [...(suspects.get(handle) ?? []), { allocation, verdict }]);
      }
    }

    const held = countHeld(blocks, suspects);
    if (graceMs > 0)
      for (const [handle, list] of suspects) {
        if (handle !== "" && (held.get(handle) ?? 0) > list.length) continue;
        const ripe = list.map((suspect) => isRipe(suspect, now)).every(Boolean);
        if (!ripe) {
          candidates += list.length;
          continue;
        }
        const object = handles.get(handleName(handle));
        if (!(await isStillLeaked(list, judgeWith(live, object), problems))) continue;
        for (const suspect of list)
          if (await free(suspect))
            released.push({ address: suspect.allocation.address, why: suspect.verdict.why });
      }

    const releasedBlocks = graceMs > 0 ? await releaseBlocks(blocks, now) : [];
    if (graceMs > 0) await dropStaleAffinities(blocks, now);
    const repairedHandles = graceMs > 0 ? await reconcileHandles(engine, sightings, now, vmGraceMs) : [];
    await thaw(blocks, configuration.ipCooldownSeconds);
    sightings.turn();
    return { allocations, candidates, released, clearedOwners, releasedBlocks, repairedHandles, problems };
  }

  function isRipe({ allocation, verdict }: Suspect, now: number): boolean {
    const { address, handle, sequence, owners } = allocation;
    const grace = verdict.of === "vm" ? vmGraceMs : verdict.hurry ? 0 : graceMs;
    return sightings.see(`leak ${address} ${handle} ${sequence} ${ownersText(owners)}`, now, grace);
  }

  /** Nothing is released on what a cache says. */
  async function isStillLeaked(
    list: readonly Suspect[],
    how: JudgeOptions,
    problems: string[],
  ): Promise<boolean> {
    for (const { allocation } of list) {
      try {
        if ((await judge(allocation, how)).kind !== "leaked") return false;
      } catch (error) {
        problems.push(
          `${allocation.address} cannot be judged: ${error instanceof Error ? error.message : String(error)}`,
        );
        return false;
      }
    }
    return true;
  }

  /** Frees an address only if it is still the very allocation that was judged, with the same owners. */
  async function free({ allocation, verdict }: Suspect): Promise<boolean> {
    const { block, handle, sequence, owners, address } = allocation;
    if (!(await freeUnchanged(engine, allocation))) return false;
    engine.logger.info({ address, handle, sequence, owners }, `leaked address released: ${verdict.why}`);
    if (handle) await engine.handles.add(handle, block.cidr, -1);
    return true;
  }

  async function clearOwner(
    allocation: Allocated,
    side: "active" | "alternate",
    now: number,
  ): Promise<boolean> {
    const { block, ordinal, address, owners } = allocation;
    if (graceMs === 0 || !sightings.see(`owner ${address} ${side} ${ownersText(owners)}`, now, graceMs))
      return false;
    const again = await judge(allocation, {
      facts: live,
      handle: undefined,
      persistence: "Enabled",
      replacedVm: engine.replacedVm,
    }).catch(() => undefined);
    if (again?.kind === "valid" && !again.stale.includes(side)) return false;
    if (!again) return false;
    const cleared = await engine.blocks.update(block.cidr, (draft) => {
      const present = draft.at(ordinal);
      if (!present || !isUnchanged(present, allocation)) return false;
      draft.setOwners(ordinal, { ...present.owners, [side]: null });
      return true;
    });
    return cleared === true;
  }

  /** Blocks of nodes that are gone, and, of nodes with several, those that stay empty. */
  async function releaseBlocks(blocks: readonly IPAMBlock[], now: number): Promise<string[]> {
    const released: string[] = [];
    const perNode = new Map<string, IPAMBlock[]>();
    for (const block of blocks) {
      const node = nodeOfAffinity(block.spec.affinity);
      if (node !== undefined && tryDecodeBlock(block))
        perNode.set(node, [...(perNode.get(node) ?? []), block]);
    }
    for (const [node, own] of perNode) {
      const gone = !(await facts.node(node));
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

  /** Affinities to blocks that are not the node's: left over from a claim that was lost or interrupted. */
  async function dropStaleAffinities(blocks: readonly IPAMBlock[], now: number) {
    const nodeOf = new Map(blocks.map(({ spec }) => [spec.cidr, nodeOfAffinity(spec.affinity)]));
    for (const affinity of await engine.store.list("BlockAffinity")) {
      const { metadata, spec } = affinity;
      if (spec.type === "virtual" || nodeOf.get(spec.cidr) === spec.node || !blockGeometry(spec.cidr))
        continue;
      if (!sightings.see(`affinity ${metadata.name} ${metadata.resourceVersion}`, now, graceMs)) continue;
      await engine.store.remove("BlockAffinity", affinity).catch(ignoreConflict);
    }
  }

  /** Addresses whose rest is over become free, and blocks that nobody has and that are empty then disappear. */
  async function thaw(blocks: readonly IPAMBlock[], cooldownSeconds: number) {
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

  return { scan };
}

/** How many addresses each suspected handle has in all. */
function countHeld(
  blocks: readonly IPAMBlock[],
  suspects: ReadonlyMap<string, readonly Suspect[]>,
): ReadonlyMap<string, number> {
  const held = new Map<string, number>();
  if (suspects.size === 0) return held;
  for (const block of blocks) {
    const geometry = tryDecodeBlock(block);
    if (!geometry) continue;
    for (const { handle } of allocationsOf(block.spec, geometry)) {
      const key = handle?.toLowerCase() ?? "";
      if (suspects.has(key)) held.set(key, (held.get(key) ?? 0) + 1);
    }
  }
  return held;
}
