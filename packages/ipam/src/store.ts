import type { IpamKind, IpamObject, IpamSpecs } from "./resources.ts";

/** Options of every call to a store. */
export interface StoreCall {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Where the objects live. Every write is conditional, so that any number of processes may work on one store at once.
 *
 * Failures are `StoreError`s: `AlreadyExists`, `Conflict` (somebody wrote since the object was read, or it is gone), `Unavailable`
 * (the outcome is unknown) or `Refused` (the object or the caller is not acceptable). Objects handed out are never changed later; callers must not change them either.
 */
export interface IpamStore {
  /** The newest state of one object; undefined when there is none. */
  get<K extends IpamKind>(
    kind: K,
    name: string,
    call?: StoreCall,
  ): Promise<IpamObject<IpamSpecs[K]> | undefined>;
  /** The newest state of all objects of a kind. */
  list<K extends IpamKind>(kind: K, call?: StoreCall): Promise<readonly IpamObject<IpamSpecs[K]>[]>;
  create<K extends IpamKind>(
    kind: K,
    object: IpamObject<IpamSpecs[K]>,
    call?: StoreCall,
  ): Promise<IpamObject<IpamSpecs[K]>>;
  /** Succeeds only if the stored object still has `object.metadata.resourceVersion`. */
  replace<K extends IpamKind>(
    kind: K,
    object: IpamObject<IpamSpecs[K]>,
    call?: StoreCall,
  ): Promise<IpamObject<IpamSpecs[K]>>;
  /** Deletes exactly the version given. Also resolves when the object is already gone. */
  remove<K extends IpamKind>(kind: K, object: IpamObject<IpamSpecs[K]>, call?: StoreCall): Promise<void>;
}

/** Why a store refuses. */
export type StoreErrorCode = "AlreadyExists" | "Conflict" | "Unavailable" | "Refused";

const storeError = Symbol.for("@fairlead/ipam.StoreError");

/** A call of an {@link IpamStore} that did not succeed. Callers inside this package retry `Conflict`. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, storeError, { value: true });
  }
}

/** The call had no answer, so it may have taken effect: nothing that depends on it may be undone. */
export const mayHaveLanded = (error: unknown): boolean => isStoreError(error, "Unavailable");

/** True for a StoreError with one of these codes (any code when none is given), also across duplicate copies of this package. */
export function isStoreError(error: unknown, ...codes: readonly StoreErrorCode[]): error is StoreError {
  return (
    typeof error === "object" &&
    error !== null &&
    storeError in error &&
    (codes.length === 0 || ("code" in error && (codes as readonly unknown[]).includes(error.code)))
  );
}
