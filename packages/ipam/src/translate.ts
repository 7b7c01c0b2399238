import { IpamError } from "./errors.ts";
import { isStoreError } from "./store.ts";

/** What a store throws becomes an IpamError at the façade. */
export function translated<Args extends readonly unknown[], R>(
  call: (...args: Args) => Promise<R>,
): (...args: Args) => Promise<R> {
  return async (...args) => {
    try {
      return await call(...args);
    } catch (error) {
      throw translate(error);
    }
  };
}

function translate(error: unknown): unknown {
  if (isStoreError(error, "Conflict", "AlreadyExists"))
    return new IpamError("TooManyConflicts", error.message, { cause: error });
  if (isStoreError(error, "Refused"))
    return new IpamError("DatastoreRefused", error.message, { cause: error });
  if (isStoreError(error)) return new IpamError("DatastoreUnavailable", error.message, { cause: error });
  return error;
}
