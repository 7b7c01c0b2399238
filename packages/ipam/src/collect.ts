import { setImmediate as turn } from "node:timers/promises";
import type { Allocated } from "./allocator.ts";
import { tryDecodeBlock } from "./block-decode.ts";
import { allocationsOf } from "./block-draft.ts";
import { collectBlocks, dropStaleAffinities, thawBlocks } from "./collect-blocks.ts";
import type { Engine } from "./engine.ts";
import type { ClusterFacts } from "./facts.ts";
import { inParallel } from "./in-parallel.ts";
import { type ClusterInventory, factsOf } from "./inventory.ts";
import { type JudgeOptions, judge, type Verdict } from "./leak-verdict.ts";
import { handleName } from "./names.ts";
import { reconcileHandles } from "./reconcile-handles.ts";
import { freeUnchanged, isUnchanged, ownersText } from "./release.ts";
import type { IPAMBlock, IPAMHandle } from "./resources.ts";
import { Sightings } from "./sightings.ts";
import { Unjudged } from "./unjudged.ts";

/** Who says what is leaked, and after how long. */
export interface CollectorOptions {
  /** Asked about every suspect right before anything of it is released. */
  readonly facts: ClusterFacts;
  /**
   * The first look, in which suspects are found: everything at once, so that the number of requests does not grow with the number of
   * addresses. By default that of `createIpam`; without one `facts` are asked about each address.
   */
  readonly inventory?: (() => Promise<ClusterInventory>) | undefined;
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
/** So many questions are asked, and so many releases are under way, at a time. */
const parallel = 8;
const minute = 60_000;
export const defaultGraceMs = 15 * minute;
export const minimumVmGraceMs = 5 * minute;

interface Suspect {
  readonly allocation: Allocated;
  readonly verdict: Extract<Verdict, { kind: "leaked" }>;
}

/** What the first look over all blocks found. */
interface FirstLook {
  allocations: number;
  /** By handle. */
  readonly held: Map<string, number>;
  /** By handle; a handle with any valid address keeps all. */
  readonly suspects: Map<string, Suspect[]>;
  /** Owner records of pods that seem to be gone. */
  readonly stale: { readonly allocation: Allocated; readonly side: "active" | "alternate" }[];
}

const append = <T>(lists: Map<string, T[]>, key: string, item: T) => {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
};

/** Finds addresses nobody uses and frees them: after a grace period, seen twice, checked again live, guarded against re-use. */
export function createCollector(engine: Engine, options: CollectorOptions): Collector {
  const { facts: live, graceMs = defaultGraceMs, monotonic = () => performance.now() } = options;
  const { inventory = engine.inventory } = options;
  const vmGraceMs = Math.max(minimumVmGraceMs, options.vmGraceMs ?? graceMs);
  const sightings = new Sightings();

  async function scan(): Promise<CollectReport> {
    const now = monotonic();
    const { configuration } = await engine.settings({ fresh: true });
    const [blocks, handleObjects] = await Promise.all([engine.listBlocks(), engine.store.list("IPAMHandle")]);
    // Read after the blocks: who has an address of them exists by now, or is gone.
    const seen = inventory ? factsOf(await inventory()) : live;
    const handles = new Map(handleObjects.map((object) => [object.metadata.name, object]));
    const problems: string[] = [];
    const unjudged = new Unjudged();
    const judgeBy = (facts: ClusterFacts, handle: IPAMHandle | undefined): JudgeOptions => ({
      facts,
      handle,
      persistence: configuration.kubeVirtVMAddressPersistence,
      replacedVm: engine.replacedVm,
    });
    const objectOf = (handle: string) => handles.get(handleName(handle));

    const look: FirstLook = { allocations: 0, held: new Map(), suspects: new Map(), stale: [] };
    await inParallel(allocationsIn(blocks, problems), parallel, async (allocation) => {
      if (allocation === "turn") return void (await turn());
      look.allocations++;
      const handle = allocation.handle?.toLowerCase() ?? "";
      look.held.set(handle, (look.held.get(handle) ?? 0) + 1);
      try {
        const verdict = await judge(
          allocation,
          judgeBy(seen, handles.size > 0 ? objectOf(handle) : undefined),
        );
        if (verdict.kind === "leaked") append(look.suspects, handle, { allocation, verdict });
        else for (const side of verdict.stale) look.stale.push({ allocation, side });
      } catch (error) {
        unjudged.add(allocation.address, error);
      }
    });

    const clearedOwners: string[] = [];
    const released: { address: string; why: string }[] = [];
    let candidates = 0;
    if (graceMs > 0) {
      await inParallel(look.stale, parallel, async ({ allocation, side }) => {
        if (await clearOwner(allocation, side, now, unjudged))
          clearedOwners.push(`${allocation.address} ${side}`);
      });
      await inParallel(look.suspects, parallel, async ([handle, suspects]) => {
        if (handle !== "" && (look.held.get(handle) ?? 0) > suspects.length) return;
        const ripe = suspects.map((suspect) => isRipe(suspect, now)).every(Boolean);
        if (!ripe) {
          candidates += suspects.length;
          return;
        }
        const object = objectOf(handle);
        if (!(await areStillLeaked(suspects, judgeBy(live, object), unjudged))) return;
        for (const suspect of suspects)
          if (await free(suspect, object !== undefined))
            released.push({ address: suspect.allocation.address, why: suspect.verdict.why });
      });
    }

    const blockScan = { blocks, seen, live, sightings, now, graceMs };
    const releasedBlocks = graceMs > 0 ? await collectBlocks(engine, blockScan) : [];
    if (graceMs > 0) await dropStaleAffinities(engine, blockScan);
    const repairedHandles = graceMs > 0 ? await reconcileHandles(engine, sightings, now, vmGraceMs) : [];
    await thawBlocks(engine, blocks, configuration.ipCooldownSeconds);
    sightings.turn();
    problems.push(...unjudged.problems());
    const { allocations } = look;
    return { allocations, candidates, released, clearedOwners, releasedBlocks, repairedHandles, problems };
  }

  function isRipe({ allocation, verdict }: Suspect, now: number): boolean {
    const { address, handle, sequence, owners } = allocation;
    const grace = verdict.of === "vm" ? vmGraceMs : verdict.hurry ? 0 : graceMs;
    return sightings.see(`leak ${address} ${handle} ${sequence} ${ownersText(owners)}`, now, grace);
  }

  /** Nothing is released on what a list says. */
  async function areStillLeaked(
    suspects: readonly Suspect[],
    how: JudgeOptions,
    unjudged: Unjudged,
  ): Promise<boolean> {
    for (const { allocation } of suspects) {
      try {
        if ((await judge(allocation, how)).kind !== "leaked") return false;
      } catch (error) {
        unjudged.add(allocation.address, error);
        return false;
      }
    }
    return true;
  }

  /** Frees an address only if it is still the very allocation that was judged, with the same owners. */
  async function free({ allocation, verdict }: Suspect, isIndexed: boolean): Promise<boolean> {
    if (!(await freeUnchanged(engine, allocation))) return false;
    const { block, handle, sequence, owners, address } = allocation;
    engine.logger.info({ address, handle, sequence, owners }, `leaked address released: ${verdict.why}`);
    if (handle && isIndexed) await engine.handles.add(handle, block.cidr, -1);
    return true;
  }

  async function clearOwner(
    allocation: Allocated,
    side: "active" | "alternate",
    now: number,
    unjudged: Unjudged,
  ): Promise<boolean> {
    const { block, ordinal, address, owners } = allocation;
    if (!sightings.see(`owner ${address} ${side} ${ownersText(owners)}`, now, graceMs)) return false;
    try {
      const again = await judge(allocation, {
        facts: live,
        handle: undefined,
        persistence: "Enabled",
        replacedVm: engine.replacedVm,
      });
      if (again.kind === "valid" && !again.stale.includes(side)) return false;
    } catch (error) {
      unjudged.add(address, error);
      return false;
    }
    const cleared = await engine.blocks.update(block.cidr, (draft) => {
      const present = draft.at(ordinal);
      if (!present || !isUnchanged(present, allocation)) return false;
      draft.setOwners(ordinal, { ...present.owners, [side]: null });
      return true;
    });
    return cleared === true;
  }

  return { scan };
}

/** Everything allocated in the blocks, with a pause now and then: others in this process want to run too. */
function* allocationsIn(
  blocks: readonly IPAMBlock[],
  problems: string[],
): Generator<Allocated | "turn", undefined> {
  for (const [i, block] of blocks.entries()) {
    if (i % blocksPerTurn === 0) yield "turn";
    const geometry = tryDecodeBlock(block);
    if (!geometry) problems.push(`IPAMBlock ${block.metadata.name} is corrupt and set aside`);
    else for (const one of allocationsOf(block.spec, geometry)) yield { ...one, block: geometry };
  }
}
