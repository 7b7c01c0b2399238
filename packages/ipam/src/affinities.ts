import { tryDecodeBlock } from "./block-decode.ts";
import { emptyBlock, isEmptyBlock } from "./block-draft.ts";
import { type BlockGeometry, blockGeometry } from "./block-geometry.ts";
import { type BlockTable, blockGone, ignoreConflict } from "./block-table.ts";
import { affinityLabels, affinityName, blockName, hashedAffinityName } from "./names.ts";
import type { BlockAffinity, IPAMBlock } from "./resources.ts";
import { type IpamStore, isStoreError } from "./store.ts";

/** An empty block of another node may be taken over when its claim is at least this old. */
export const takeoverAgeMs = 60_000;

export const hostAffinity = (node: string): string => `host:${node}`;

/** The node of a `host:` affinity. */
export const nodeOfAffinity = (affinity: string | null | undefined): string | undefined =>
  typeof affinity === "string" && affinity.startsWith("host:") ? affinity.slice("host:".length) : undefined;

export const isDeleted = ({ spec }: BlockAffinity): boolean =>
  spec.deleted === true || spec.deleted === "true";

/** Old versions of the incumbent wrote none. */
const isLabelled = ({ metadata, spec }: BlockAffinity): boolean =>
  Object.entries(affinityLabels(spec.node, spec.cidr)).every(
    ([key, value]) => metadata.labels?.[key] === value,
  );

export interface AffinitiesOptions {
  readonly store: IpamStore;
  readonly blocks: BlockTable;
  readonly now: () => Date;
}

/**
 * Which node has which block. A claim has two phases, so that a crash leaves either nothing or something the next run completes:
 * BlockAffinity `pending`, then the block with its affinity, then BlockAffinity `confirmed`. The block decides who has it.
 */
export class Affinities {
  readonly #store: IpamStore;
  readonly #blocks: BlockTable;
  readonly #now: () => Date;

  constructor({ store, blocks, now }: AffinitiesOptions) {
    this.#store = store;
    this.#blocks = blocks;
    this.#now = now;
  }

  /** The node's blocks as the store has them, after completing what a crash interrupted. */
  async recover(node: string): Promise<IPAMBlock[]> {
    const all = await this.#store.list("BlockAffinity");
    // One that makes no sense is left for `ipam check` to report.
    const own = all.filter(
      ({ spec }) => spec?.node === node && spec.type !== "virtual" && blockGeometry(spec.cidr),
    );
    const found = await Promise.all(own.map((affinity) => this.#recoverOne(affinity)));
    return found.filter((block) => block !== undefined);
  }

  async #recoverOne(affinity: BlockAffinity): Promise<IPAMBlock | undefined> {
    const { node, cidr, state } = affinity.spec;
    const block = await this.#store.get("IPAMBlock", blockName(cidr));
    if (block && !tryDecodeBlock(block)) return undefined;
    const mine = block !== undefined && !block.spec.deleted && block.spec.affinity === hostAffinity(node);
    if (isDeleted(affinity) || !mine) {
      await this.#store.remove("BlockAffinity", affinity).catch(ignoreConflict);
      return undefined;
    }
    // Who began to give it away may have wanted it empty only, and it may be in use by now.
    if (state === "pendingDeletion" && isEmptyBlock(block.spec))
      return (await this.release(node, cidr, { mustBeEmpty: true })) ? undefined : block;
    if (state === "pendingDeletion") await this.#keep(affinity);
    if (state === "pending" || !isLabelled(affinity)) await this.#confirm(node, cidr, affinity);
    return block;
  }

  /**
   * Claims one block: creates it, adopts it if nobody has it, or takes it over if it is empty and its claim is old.
   * Undefined: somebody else has it.
   */
  async claim(node: string, geometry: BlockGeometry): Promise<IPAMBlock | undefined> {
    const { cidr } = geometry;
    const pending = await this.#setState(node, cidr, "pending");
    const block = (await this.#createBlock(node, geometry)) ?? (await this.#adopt(node, cidr));
    if (!block) {
      await this.#store.remove("BlockAffinity", pending).catch(ignoreConflict);
      return undefined;
    }
    await this.#confirm(node, cidr, pending);
    return block;
  }

  async #createBlock(node: string, geometry: BlockGeometry): Promise<IPAMBlock | undefined> {
    try {
      return await this.#store.create("IPAMBlock", {
        metadata: { name: blockName(geometry.cidr) },
        spec: emptyBlock(geometry, hostAffinity(node), this.#now()),
      });
    } catch (error) {
      if (isStoreError(error, "AlreadyExists")) return undefined;
      throw error;
    }
  }

  async #adopt(node: string, cidr: string): Promise<IPAMBlock | undefined> {
    const mine = hostAffinity(node);
    const before = await this.#blocks.tryRead(cidr);
    if (!before || before === "corrupt") return undefined;
    const previous = before.block.spec.affinity ?? null;
    if (previous !== mine) {
      if (!this.isFree(before.block)) return undefined;
      const loser = nodeOfAffinity(previous);
      const left = loser && (await this.#find(loser, cidr)).affinity;
      const taken = await this.#blocks.update(cidr, (draft) => {
        if (draft.affinity === mine) return true;
        if (draft.affinity !== null && (draft.affinity !== previous || !draft.isEmpty)) return false;
        draft.setAffinity(mine);
        return true;
      });
      if (taken !== true) return undefined;
      // Just what was there before: its node may have claimed the block anew since.
      if (left) await this.#store.remove("BlockAffinity", left).catch(ignoreConflict);
    }
    return (await this.#blocks.read(cidr))?.block;
  }

  /** Whether a node that needs a block may take this one. */
  isFree({ spec }: IPAMBlock): boolean {
    if (!spec.affinity) return true;
    if (nodeOfAffinity(spec.affinity) === undefined) return false;
    const claimed = Date.parse(spec.affinityClaimTime ?? "");
    return isEmptyBlock(spec) && !(this.#now().getTime() - claimed < takeoverAgeMs);
  }

  async #confirm(node: string, cidr: string, pending?: BlockAffinity) {
    await this.#setState(node, cidr, "confirmed", pending);
  }

  async #setState(
    node: string,
    cidr: string,
    state: BlockAffinity["spec"]["state"],
    known?: BlockAffinity,
  ): Promise<BlockAffinity> {
    const labels = affinityLabels(node, cidr);
    const spec = { state, node, type: "host", cidr, deleted: false } as const;
    let name = affinityName(node, cidr);
    let existing = known;
    for (let attempt = 0; ; attempt++) {
      try {
        return existing
          ? await this.#store.replace("BlockAffinity", {
              ...existing,
              metadata: { ...existing.metadata, labels: { ...existing.metadata.labels, ...labels } },
              spec,
            })
          : await this.#store.create("BlockAffinity", { metadata: { name, labels }, spec });
      } catch (error) {
        if (!isStoreError(error, "AlreadyExists", "Conflict") || attempt >= 10) throw error;
        ({ name, affinity: existing } = await this.#find(node, cidr));
      }
    }
  }

  /** A node's affinity to a block, and the name it has or may get: the usual one, unless that is taken by another. */
  async #find(
    node: string,
    cidr: string,
  ): Promise<{ readonly name: string; readonly affinity: BlockAffinity | undefined }> {
    const usual = affinityName(node, cidr);
    const found = await this.#store.get("BlockAffinity", usual);
    const isIts = ({ spec }: BlockAffinity) => spec.node === node && spec.cidr === cidr;
    if (!found || isIts(found)) return { name: usual, affinity: found };
    const name = hashedAffinityName(node, cidr);
    return { name, affinity: await this.#store.get("BlockAffinity", name) };
  }

  /** The node keeps its block after all, unless somebody has written the affinity since: he knows better. */
  async #keep(affinity: BlockAffinity) {
    const spec = { ...affinity.spec, state: "confirmed" } as const;
    await this.#store.replace("BlockAffinity", { ...affinity, spec }).catch(ignoreConflict);
  }

  /**
   * Takes a block from a node. An empty block disappears; one that is in use stays without affinity, unless it `mustBeEmpty`.
   * False: it is in use and stays the node's.
   */
  async release(
    node: string,
    cidr: string,
    { mustBeEmpty }: { readonly mustBeEmpty: boolean },
  ): Promise<boolean> {
    const mine = hostAffinity(node);
    const before = await this.#blocks.read(cidr);
    if (mustBeEmpty && before && before.block.spec.affinity === mine && !isEmptyBlock(before.block.spec))
      return false;
    const leaving = await this.#setState(node, cidr, "pendingDeletion");
    const done = await this.#blocks.update(cidr, (draft) => {
      if (draft.affinity !== mine) return true;
      if (mustBeEmpty && !draft.isEmpty) return false;
      draft.setAffinity(null);
      return true;
    });
    if (done === false) {
      await this.#keep(leaving);
      return false;
    }
    if (done === blockGone || done) this.#blocks.forget(cidr);
    await this.#store.remove("BlockAffinity", leaving).catch(ignoreConflict);
    return true;
  }
}
