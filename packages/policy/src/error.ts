/**
 * - `InvalidObject`: a resource does not mean anything; the message names the field.
 * - `InvalidEndpoint`: the agent handed over an endpoint that cannot be programmed.
 * - `UnknownEndpoint`: no endpoint with this id.
 * - `KernelRefused`: the kernel rejected a transaction; nothing of it is in force.
 * - `KernelLacks`: the kernel has no support for something the rules need.
 * - `NotPermitted`: CAP_NET_ADMIN is missing.
 * - `Busy`: other writers changed the ruleset during every attempt.
 * - `Aborted`, `Closed`: the caller gave up, the engine is gone.
 */
export type PolicyErrorCode =
  | "InvalidObject"
  | "InvalidEndpoint"
  | "UnknownEndpoint"
  | "KernelRefused"
  | "KernelLacks"
  | "NotPermitted"
  | "Busy"
  | "Aborted"
  | "Closed";

/** Every error this package throws. `message` ends with what to do next. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly code: PolicyErrorCode;

  constructor(code: PolicyErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
