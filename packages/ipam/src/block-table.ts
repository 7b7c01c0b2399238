import { decodeBlock } from "./block-decode.ts";
import { BlockDraft } from "./block-draft.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import { IpamError, isIpamError } from "./errors.ts";
import { blockName } from "./names.ts";
import type { IPAMBlock } from "./resources.ts";
import { type IpamStore, isStoreError } from "./store.ts";

/** A change that waits for the next write of its block. */
interface Waiting {
  /** The block as the caller has just read it: a start for the first attempt. */
  readonly stored?: IPAMBlock | undefined;
  readonly change: (draft: BlockDraft) => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly waiting: Waiting[];
  running: boolean;
}

export interface BlockTableOptions {
  readonly store: IpamStore;
  readonly now: () => Date;
  /** Read before every write, so that a configuration change is heeded. */
  readonly cooldownSeconds: () => number;
  /** Waits this long before attempt `n` after a conflict. */
  readonly backoff: (attempt: number) => Promise<void>;
}

/** How often a write is repeated after conflicts, as the incumbent does. */
export const maxAttempts = 100;

/** The block does not exist (any more). Callers choose another one. */
export const blockGone: unique symbol = Symbol("block gone");

/**
 * All writing to blocks, with group commit: changes that arrive while a block is being written wait, and share the next write.
 *
 * A change is decided on a copy of the block that is proven current: by the conditional write that follows, or, if nothing is to be
 * written, by a fresh read.
 */
export class BlockTable {
  readonly #options: BlockTableOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #known = new Map<string, IPAMBlock>();
  readonly #tracked = new Set<string>();
  /** When the remembered block was last known to be the stored one, in ticks of this table. */
  readonly #proven = new Map<string, number>();
  #tick = 0;

  constructor(options: BlockTableOptions) {
    this.#options = options;
  }

  /** Remember this block between writes: it belongs to a node we work for. */
  track(cidr: string, block: IPAMBlock) {
    this.#tracked.add(cidr);
    this.#remember(cidr, block);
  }

  #remember(cidr: string, block: IPAMBlock) {
    if (!this.#tracked.has(cidr)) return;
    this.#known.set(cidr, block);
    this.#proven.set(cidr, ++this.#tick);
  }

  /** Grows with everything learned. */
  get tick(): number {
    return this.#tick;
  }

  /** Whether what is remembered of a block was true at some moment after `tick`. */
  isKnownSince(cidr: string, tick: number): boolean {
    return (this.#proven.get(cidr) ?? 0) > tick;
  }

  forget(cidr: string) {
    this.#tracked.delete(cidr);
    this.#known.delete(cidr);
    this.#proven.delete(cidr);
  }

  /** What is remembered of a tracked block: a hint, never a decision. */
  peek(cidr: string): IPAMBlock | undefined {
    return this.#known.get(cidr);
  }

  /**
   * The newest state of a block; undefined when there is none.
   * @throws IpamError ObjectCorrupt
   */
  async read(
    cidr: string,
  ): Promise<{ readonly block: IPAMBlock; readonly geometry: BlockGeometry } | undefined> {
    const block = await this.#options.store.get("IPAMBlock", blockName(cidr));
    if (!block) {
      this.#known.delete(cidr);
      return undefined;
    }
    const geometry = decodeBlock(block);
    if (block.spec.deleted) {
      await this.#options.store.remove("IPAMBlock", block).catch(ignoreConflict);
      this.#known.delete(cidr);
      return undefined;
    }
    this.#remember(cidr, block);
    return { block, geometry };
  }

  /** The same; a corrupt block is told by the word. */
  async tryRead(cidr: string): Promise<Awaited<ReturnType<BlockTable["read"]>> | "corrupt"> {
    try {
      return await this.read(cidr);
    } catch (error) {
      if (isIpamError(error, "ObjectCorrupt")) return "corrupt";
      throw error;
    }
  }

  /**
   * Applies a change to a block and resolves with its result once the block is written. A change that throws refuses only itself. It may
   * be called several times (after a conflict), each time with the newest state, and must depend on nothing else. `stored`: the block as
   * the caller has just read it, which spares a read.
   */
  update<R>(
    cidr: string,
    change: (draft: BlockDraft) => R,
    stored?: IPAMBlock,
  ): Promise<R | typeof blockGone> {
    return new Promise<R | typeof blockGone>((resolve, reject) => {
      let lane = this.#lanes.get(cidr);
      if (!lane) {
        lane = { waiting: [], running: false };
        this.#lanes.set(cidr, lane);
      }
      lane.waiting.push({ change, stored, resolve: (result) => resolve(result as R), reject });
      if (!lane.running) void this.#drive(cidr, lane);
    });
  }

  async #drive(cidr: string, lane: Lane) {
    lane.running = true;
    // Everything asked for in this turn of the event loop shares the first write.
    await Promise.resolve();
    while (lane.waiting.length > 0) {
      const batch = lane.waiting.splice(0);
      try {
        await this.#commit(cidr, batch);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    lane.running = false;
    this.#lanes.delete(cidr);
  }

  async #commit(cidr: string, batch: readonly Waiting[]) {
    let fresh = false;
    let lastError: unknown;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      let block = fresh
        ? undefined
        : (this.#known.get(cidr) ?? batch.find((waiting) => waiting.stored)?.stored);
      if (!block) {
        block = (await this.read(cidr))?.block;
        fresh = true;
      }
      if (!block) {
        for (const { resolve } of batch) resolve(blockGone);
        return;
      }
      const draft = new BlockDraft(block.spec, decodeBlock(block), {
        now: this.#options.now(),
        cooldownSeconds: this.#options.cooldownSeconds(),
      });
      const outcomes = batch.map(({ change }) => attemptChange(change, draft));
      if (!draft.changed && !fresh) {
        fresh = true;
        continue;
      }
      try {
        if (draft.changed) await this.#write(cidr, block, draft);
      } catch (error) {
        if (!isStoreError(error, "Conflict", "Unavailable")) throw error;
        lastError = error;
        fresh = true;
        await this.#options.backoff(attempt);
        continue;
      }
      for (const [i, outcome] of outcomes.entries())
        if ("error" in outcome) batch[i]!.reject(outcome.error);
        else batch[i]!.resolve(outcome.result);
      return;
    }
    throw new IpamError("TooManyConflicts", `${maxAttempts} attempts to write it failed`, {
      object: `IPAMBlock ${blockName(cidr)}`,
      cause: lastError,
    });
  }

  async #write(cidr: string, block: IPAMBlock, draft: BlockDraft) {
    const object = { ...block, spec: draft.finish() };
    if (draft.isUntouched && draft.affinity === null) {
      await this.#options.store.remove("IPAMBlock", block);
      this.#known.delete(cidr);
      return;
    }
    const written = await this.#options.store.replace("IPAMBlock", object);
    this.#remember(cidr, written);
  }
}

function attemptChange(
  change: (draft: BlockDraft) => unknown,
  draft: BlockDraft,
): { readonly result: unknown } | { readonly error: unknown } {
  try {
    return { result: change(draft) };
  } catch (error) {
    return { error };
  }
}

export function ignoreConflict(error: unknown): void {
  if (!isStoreError(error, "Conflict")) throw error;
}
