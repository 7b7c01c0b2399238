/**
 * What can go wrong in a CNI call, with the number the runtime sees. 1 to 99 are the specification's
 * (CNI 1.1.0, "Error"), 100 and above ours.
 */
export const cniErrorNumbers = {
  IncompatibleVersion: 1,
  UnsupportedField: 2,
  UnknownContainer: 3,
  InvalidEnvironment: 4,
  IoFailure: 5,
  DecodeFailure: 6,
  InvalidConfiguration: 7,
  TryAgainLater: 11,
  NotAvailable: 50,
  NotAvailableLimited: 51,
  InvalidAnnotation: 100,
  IdentityRefused: 101,
  AddressRefused: 102,
  WiringFailed: 103,
  CheckFailed: 104,
  MtuTooSmall: 105,
  Internal: 999,
} as const;

/** Name of an error; its number is in {@link cniErrorNumbers}. */
export type CniErrorCode = keyof typeof cniErrorNumbers;

/** A CNI call that failed. `message` says what happened, `remedy` what to do next. */
export class CniError extends Error {
  override readonly name = "CniError";
  readonly code: CniErrorCode;
  readonly remedy: string;

  constructor(code: CniErrorCode, message: string, remedy: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.remedy = remedy;
  }

  /** What happened, without the remedy that the message of a wrapped error may end with. */
  get summary(): string {
    if (this.remedy === "" || !this.message.endsWith(this.remedy)) return this.message;
    return this.message.slice(0, -this.remedy.length).replace(/[\s.;:]+$/, "");
  }

  /**
   * The error object of the specification, as printed on stdout. A runtime shows it as libcni's `types.Error` prints
   * itself: `msg; details`, without the number. So `msg` begins with code and number, and each fact stands once.
   */
  toResult(cniVersion: string): CniErrorResult {
    const number = cniErrorNumbers[this.code];
    const { cause, summary } = this;
    const isNews = cause instanceof Error && !this.message.includes(cause.message);
    return {
      cniVersion,
      code: number,
      msg: `${this.code} (${number}): ${summary}`,
      details: `${this.remedy}${isNews ? ` (${cause.message})` : ""}`,
    };
  }
}

/** The error object on stdout (CNI 1.1.0, "Error"). */
export interface CniErrorResult {
  readonly cniVersion: string;
  readonly code: number;
  readonly msg: string;
  readonly details: string;
}

/** An error of the address manager or the API server: what may pass by itself becomes "try again later". */
export function asAddressError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const { code, remedy } = (error ?? {}) as { code?: unknown; remedy?: unknown };
  const message = error instanceof Error ? error.message : String(error);
  const passing = typeof code === "string" && passingCodes.has(code);
  return new CniError(
    passing ? "TryAgainLater" : "AddressRefused",
    message,
    typeof remedy === "string"
      ? remedy
      : passing
        ? "the runtime tries again"
        : "look at the IP pools: fairleadctl ipam show",
    { cause: error },
  );
}

const passingCodes = new Set([
  "Unavailable",
  "Timeout",
  "TooManyRequests",
  "Conflict",
  "Gone",
  "DatastoreUnavailable",
  "TooManyConflicts",
  "OwnerUndecided",
  "PreviousVmPresent",
  "AddressCoolingDown",
]);

/** Keeps a CniError, wraps anything else as our own fault. */
export function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CniError("Internal", message, "this is a bug: the agent's log has the stack", { cause: error });
}
