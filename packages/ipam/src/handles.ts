import { randomUUID } from "node:crypto";
import { handleAnnotation } from "./attributes.ts";
import { ignoreConflict } from "./block-table.ts";
import { IpamError } from "./errors.ts";
import { GroupCommit, type Outcome, outcomeOf, settle, type Waiting } from "./group-commit.ts";
import { handleName } from "./names.ts";
import type { IPAMHandle, IPAMHandleSpec } from "./resources.ts";
import { type IpamStore, isStoreError } from "./store.ts";

const attempts = 100;

/** The next state of a handle's object, null to remove it, undefined to leave it. */
type Change = (
  present: IPAMHandle | undefined,
) =>
  | { readonly spec: IPAMHandleSpec; readonly annotations?: Readonly<Record<string, string>> }
  | null
  | undefined;

/** A write whose answer was lost. */
interface LostWrite {
  readonly base: IPAMHandle | undefined;
  /** Its mark in the object; undefined when it removed the object. */
  readonly mark: string | undefined;
  readonly outcomes: readonly Outcome[];
}

export interface HandlesOptions {
  readonly store: IpamStore;
  readonly backoff: (attempt: number) => Promise<void>;
}

/**
 * IPAMHandle objects: which blocks hold addresses of a handle. They are an index, written before a block and cleaned after it; what is
 * allocated is decided by the blocks alone.
 */
export class Handles {
  readonly #store: IpamStore;
  readonly #backoff: (attempt: number) => Promise<void>;
  readonly #writes = new GroupCommit<Change>((name, batch) => this.#commit(name, batch));

  constructor({ store, backoff }: HandlesOptions) {
    this.#store = store;
    this.#backoff = backoff;
  }

  /**
   * The handle's object; undefined when there is none.
   * @throws IpamError ObjectCorrupt
   */
  read(handle: string): Promise<IPAMHandle | undefined> {
    return this.#read(handleName(handle));
  }

  async #read(name: string): Promise<IPAMHandle | undefined> {
    const object = await this.#store.get("IPAMHandle", name);
    if (!object) return undefined;
    checkHandle(object);
    if (object.spec.deleted) {
      await this.#store.remove("IPAMHandle", object).catch(ignoreConflict);
      return undefined;
    }
    return object;
  }

  /**
   * Changes the handle's object and resolves with its new state. `change` sees the newest state and may be called several times. A
   * write whose answer was lost is looked for before it is repeated, so that what is counted is counted once. Where that cannot be
   * read either, the object may say more than the blocks have, never less; collection corrects it.
   */
  update(handle: string, change: Change): Promise<IPAMHandle | undefined> {
    return this.#writes.run(handleName(handle), change);
  }

  async #commit(name: string, batch: readonly Waiting<Change>[]) {
    let lost: LostWrite | undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const present = await this.#read(name);
      const fate = lost && fateOf(lost, present);
      if (lost && fate === "landed") return settle(batch, lost.outcomes.map(withResult(present)));
      if (fate === "void") lost = undefined;
      const mark = randomUUID();
      let next = present;
      const outcomes = batch.map(({ change }) =>
        outcomeOf(() => {
          const to = change(next);
          if (to !== undefined) next = to === null ? undefined : draftOf({ name, mark, present }, next, to);
        }),
      );
      try {
        const written = next === present ? present : await this.#write(present, next);
        return settle(batch, outcomes.map(withResult(written)));
      } catch (error) {
        if (!isStoreError(error, "Conflict", "AlreadyExists", "Unavailable")) throw error;
        if (error.code === "Unavailable") lost = { base: present, mark: next && mark, outcomes };
        await this.#backoff(attempt);
      }
    }
    throw new IpamError("TooManyConflicts", `${attempts} attempts to write it failed`, {
      object: `IPAMHandle ${name}`,
    });
  }

  /**
   * One write and no read: makes the object, or replaces the very one that was read.
   * @returns false when it is another one by now
   */
  async replace(
    handle: string,
    read: IPAMHandle | undefined,
    { block, annotations }: Pick<IPAMHandleSpec, "block"> & { readonly annotations: Record<string, string> },
  ): Promise<boolean> {
    const spec = { ...read?.spec, handleID: read?.spec.handleID ?? handle, block, deleted: false };
    const metadata = { ...(read?.metadata ?? { name: handleName(handle) }), annotations };
    try {
      if (read) await this.#store.replace("IPAMHandle", { ...read, metadata, spec });
      else await this.#store.create("IPAMHandle", { metadata, spec });
      return true;
    } catch (error) {
      if (isStoreError(error, "Conflict", "AlreadyExists")) return false;
      throw error;
    }
  }

  async #write(
    present: IPAMHandle | undefined,
    next: IPAMHandle | undefined,
  ): Promise<IPAMHandle | undefined> {
    if (next)
      return present ? this.#store.replace("IPAMHandle", next) : this.#store.create("IPAMHandle", next);
    if (present) await this.#store.remove("IPAMHandle", present);
    return undefined;
  }

  /** Adds `count` (may be negative) to the entry of a block; entries of 0 and an object without entries disappear. */
  async add(handle: string, cidr: string, count: number): Promise<void> {
    if (count === 0) return;
    await this.update(handle, (present) => {
      if (!present && count < 0) return undefined;
      const block = addCount(present?.spec.block ?? {}, cidr, count);
      if (Object.keys(block).length === 0) return null;
      return {
        spec: { ...present?.spec, handleID: present?.spec.handleID ?? handle, block, deleted: false },
      };
    });
  }
}

/** The object to be written after one more change, with a mark by which this write is known again. */
function draftOf(
  {
    name,
    mark,
    present,
  }: { readonly name: string; readonly mark: string; readonly present: IPAMHandle | undefined },
  before: IPAMHandle | undefined,
  { spec, annotations = before?.metadata.annotations }: NonNullable<ReturnType<Change>>,
): IPAMHandle {
  const metadata = {
    ...(present?.metadata ?? { name }),
    annotations: { ...annotations, [handleAnnotation.write]: mark },
  };
  return { ...present, metadata, spec };
}

/** What became of a lost write, by the object as it is now. `pending`: nothing was written since. */
function fateOf({ base, mark }: LostWrite, present: IPAMHandle | undefined): "landed" | "pending" | "void" {
  const is = present?.metadata;
  if (mark !== undefined && is?.annotations?.[handleAnnotation.write] === mark) return "landed";
  if (mark === undefined && is?.uid !== base?.metadata.uid) return "landed";
  return is?.uid === base?.metadata.uid && is?.resourceVersion === base?.metadata.resourceVersion
    ? "pending"
    : "void";
}

/** Everybody is told the object they share. */
const withResult =
  (object: IPAMHandle | undefined) =>
  (outcome: Outcome): Outcome =>
    "error" in outcome ? outcome : { result: object };

export function addCount(
  block: Readonly<Record<string, number>>,
  cidr: string,
  count: number,
): Readonly<Record<string, number>> {
  const { [cidr]: present = 0, ...others } = block;
  const sum = present + count;
  return sum > 0 ? { ...others, [cidr]: sum } : others;
}

/** @throws IpamError ObjectCorrupt */
export function checkHandle({ metadata, spec }: IPAMHandle): void {
  const wrong = (field: string, message: string) =>
    new IpamError("ObjectCorrupt", message, {
      object: `IPAMHandle ${metadata.name}`,
      field: `spec.${field}`,
    });
  if (typeof spec?.handleID !== "string" || spec.handleID === "") throw wrong("handleID", "is missing");
  if (handleName(spec.handleID) !== metadata.name && spec.handleID.toLowerCase() !== metadata.name)
    throw wrong("handleID", `${spec.handleID} does not belong under the name ${metadata.name}`);
  if (typeof spec.block !== "object" || spec.block === null || Array.isArray(spec.block))
    throw wrong("block", "is not a map");
  for (const [cidr, count] of Object.entries(spec.block))
    if (!Number.isInteger(count)) throw wrong(`block["${cidr}"]`, "is not a whole number");
}
