import { ignoreConflict } from "./block-table.ts";
import { IpamError } from "./errors.ts";
import { handleName } from "./names.ts";
import type { IPAMHandle, IPAMHandleSpec } from "./resources.ts";
import { type IpamStore, isStoreError } from "./store.ts";

const attempts = 100;

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

  constructor({ store, backoff }: HandlesOptions) {
    this.#store = store;
    this.#backoff = backoff;
  }

  /**
   * The handle's object; undefined when there is none.
   * @throws IpamError ObjectCorrupt
   */
  async read(handle: string): Promise<IPAMHandle | undefined> {
    const object = await this.#store.get("IPAMHandle", handleName(handle));
    if (!object) return undefined;
    checkHandle(object);
    if (object.spec.deleted) {
      await this.#store.remove("IPAMHandle", object).catch(ignoreConflict);
      return undefined;
    }
    return object;
  }

  /**
   * Changes the handle's object; `change` sees the newest state and returns the new one, null to remove it, or undefined to leave it.
   * It may be called several times.
   */
  async update(
    handle: string,
    change: (
      present: IPAMHandle | undefined,
    ) =>
      | { readonly spec: IPAMHandleSpec; readonly annotations?: Readonly<Record<string, string>> }
      | null
      | undefined,
  ): Promise<IPAMHandle | undefined> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const present = await this.read(handle);
      const next = change(present);
      if (next === undefined) return present;
      try {
        if (next === null) {
          if (present) await this.#store.remove("IPAMHandle", present);
          return undefined;
        }
        const { spec, annotations } = next;
        const metadata = {
          ...(present?.metadata ?? { name: handleName(handle) }),
          ...(annotations ? { annotations } : {}),
        };
        const object = { ...present, metadata, spec };
        return present
          ? await this.#store.replace("IPAMHandle", object)
          : await this.#store.create("IPAMHandle", object);
      } catch (error) {
        if (!isStoreError(error, "Conflict", "AlreadyExists")) throw error;
        await this.#backoff(attempt);
      }
    }
    throw new IpamError("TooManyConflicts", `${attempts} attempts to write it failed`, {
      object: `IPAMHandle ${handleName(handle)}`,
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
