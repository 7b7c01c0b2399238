/**
 * - `InvalidPriority`: outside 1 to 2147483646, or elevated not below normal. Correct the configuration.
 * - `InvalidWorkload`: an address that is none, or with a shorter prefix.
 * - `KernelRefused`: see `cause` (a `NetlinkError`); tried again at the next reconciliation.
 */
export type RoutesErrorCode = "InvalidPriority" | "InvalidWorkload" | "KernelRefused";

/** A failure of workload routes. */
export class RoutesError extends Error {
  override readonly name = "RoutesError";
  readonly code: RoutesErrorCode;

  constructor(code: RoutesErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
