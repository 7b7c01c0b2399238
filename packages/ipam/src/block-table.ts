import { decodeBlock } from "./block-decode.ts";
import { BlockDraft } from "./block-draft.ts";
import type { BlockGeometry } from "./block-geometry.ts";
import { IpamError, isIpamError } from "./errors.ts";
import { GroupCommit, type Outcome, outcomeOf, settle, type Waiting } from "./group-commit.ts";
import { fateOf, type LostWrite } from "./lost-write.ts";
import { blockName } from "./names.ts";
import type { IPAMBlock, IPAMBlockSpec } from "./resources.ts";
import { type IpamStore, isStoreError } from "./store.ts";

interface Change {
  readonly apply: (draft: BlockDraft) => unknown;
  /** The block as the caller has just read it: a start for the first attempt. */
  readonly stored?: IPAMBlock | undefined;
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
 * written, by a fresh read. A change whose write lost its answer is not made twice: the block is read and tells whether it landed.
 */
export class BlockTable {
  readonly #options: BlockTableOptions;
  readonly #writes = new GroupCommit<Change>((cidr, batch) => this.#commit(cidr, batch));
  readonly #known = new Map<string, IPAMBlock>();
  readonly #tracked = new Set<string>();
  /** When the remembered block was last known to be the stored one, in ticks of this table. */
  readonly #proven = new Map<string, number>();
  /** Blocks to which a request may still be on its way, and the version on which it can land. */
  readonly #doubts = new Map<string, string | undefined>();
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
    if (this.#doubts.has(cidr) && this.#doubts.get(cidr) !== block.metadata.resourceVersion)
      this.#doubts.delete(cidr);
    if (!this.#tracked.has(cidr)) return;
    this.#known.set(cidr, block);
    this.#proven.set(cidr, ++this.#tick);
  }

  /** There is none any more. */
  #lose(cidr: string) {
    this.#known.delete(cidr);
    this.#doubts.delete(cidr);
  }

  /** Whether the last write of a block had no answer, so that what is remembered of it may be too little. */
  isInDoubt(cidr: string): boolean {
    return this.#doubts.has(cidr);
  }

  /** All of them. */
  inDoubt(): Iterable<string> {
    return this.#doubts.keys();
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
      this.#lose(cidr);
      return undefined;
    }
    const geometry = decodeBlock(block);
    if (block.spec.deleted) {
      await this.#options.store.remove("IPAMBlock", block).catch(ignoreConflict);
      this.#lose(cidr);
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
    return this.#writes.run(cidr, { apply: change, stored });
  }

  async #commit(cidr: string, batch: readonly Waiting<Change>[]) {
    let fresh = this.#doubts.has(cidr);
    let lost: { readonly write: LostWrite; readonly outcomes: readonly Outcome[] } | undefined;
    let lastError: unknown;
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      let block = fresh
        ? undefined
        : (this.#known.get(cidr) ?? batch.find(({ change }) => change.stored)?.change.stored);
      if (!block) {
        block = (await this.read(cidr))?.block;
        fresh = true;
      }
      const fate = lost && fateOf(lost.write, block);
      if (lost && fate === "landed") return settle(batch, lost.outcomes);
      if (fate === "void") lost = undefined;
      if (!block) {
        for (const { resolve } of batch) resolve(blockGone);
        return;
      }
      const draft = new BlockDraft(block.spec, decodeBlock(block), {
        now: this.#options.now(),
        cooldownSeconds: this.#options.cooldownSeconds(),
      });
      const outcomes = batch.map(({ change }) => outcomeOf(() => change.apply(draft)));
      // A request without answer that has not landed yet never will, once this version is written over.
      if (fresh && this.#doubts.has(cidr)) draft.changed = true;
      if (!draft.changed && !fresh) {
        fresh = true;
        continue;
      }
      const intended = draft.changed ? intention(draft) : undefined;
      try {
        if (intended !== undefined) await this.#write(cidr, block, intended);
      } catch (error) {
        if (!isStoreError(error, "Conflict", "Unavailable")) throw error;
        if (intended !== undefined && error.code === "Unavailable") {
          lost = { write: { base: block, intended }, outcomes };
          this.#doubts.set(cidr, block.metadata.resourceVersion);
        }
        lastError = error;
        fresh = true;
        await this.#options.backoff(attempt);
        continue;
      }
      return settle(batch, outcomes);
    }
    throw new IpamError("TooManyConflicts", `${maxAttempts} attempts to write it failed`, {
      object: `IPAMBlock ${blockName(cidr)}`,
      cause: lastError,
    });
  }

  async #write(cidr: string, block: IPAMBlock, intended: IPAMBlockSpec | null) {
    if (intended === null) {
      await this.#options.store.remove("IPAMBlock", block);
      this.#lose(cidr);
      return;
    }
    const written = await this.#options.store.replace("IPAMBlock", { ...block, spec: intended });
    this.#remember(cidr, written);
  }
}

/** The block to be written; null: nobody has it or anything in it, so it goes. */
const intention = (draft: BlockDraft): IPAMBlockSpec | null =>
  draft.isUntouched && draft.affinity === null ? null : draft.finish();

export function ignoreConflict(error: unknown): void {
  if (!isStoreError(error, "Conflict")) throw error;
}
