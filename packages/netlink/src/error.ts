/**
 * Why a kernel call failed.
 *
 * | code | what happened |
 * |---|---|
 * | `AlreadyExists` | EEXIST: an object with that key is there |
 * | `NotFound` | ENOENT, ESRCH, EADDRNOTAVAIL: nothing with that key |
 * | `NoDevice` | ENODEV, ENXIO: the link is gone |
 * | `NetworkDown` | ENETDOWN: the link is down |
 * | `Unreachable` | ENETUNREACH, EHOSTUNREACH: the gateway is on no connected network |
 * | `Denied` | EPERM, EACCES: a privilege is missing; the message names it |
 * | `Unsupported` | EOPNOTSUPP, EAFNOSUPPORT ...: the kernel lacks the feature; the message names it |
 * | `Invalid` | EINVAL, ERANGE ...: the kernel, or we before it, refused the request |
 * | `Busy` | EBUSY |
 * | `Exhausted` | ENOMEM, EMFILE, ENFILE, ENOSPC |
 * | `Overrun` | ENOBUFS: the kernel dropped messages for this socket; list again |
 * | `Timeout` | no answer within the deadline |
 * | `Interrupted` | a dump kept changing while it was read |
 * | `Malformed` | bytes that are no netlink message |
 * | `Closed` | the socket or namespace was closed before |
 * | `Other` | any other errno, see `errno` |
 */
export type NetlinkErrorCode =
  | "AlreadyExists"
  | "NotFound"
  | "NoDevice"
  | "NetworkDown"
  | "Unreachable"
  | "Denied"
  | "Unsupported"
  | "Invalid"
  | "Busy"
  | "Exhausted"
  | "Overrun"
  | "Timeout"
  | "Interrupted"
  | "Malformed"
  | "Closed"
  | "Other";

/** What an error is made of. */
export interface NetlinkErrorDetails {
  readonly code: NetlinkErrorCode;
  /** What was tried, as a verb phrase: `add route`, `open packet socket`. */
  readonly operation: string;
  /** What it was tried on: `10.0.0.1/32 dev 7 metric 512`. */
  readonly object?: string | undefined;
  /** The errno's name: `EEXIST`. */
  readonly errno?: string | undefined;
  /** The kernel's own words (extended acknowledgement). */
  readonly detail?: string | undefined;
  /** What is missing and what to do next. */
  readonly advice?: string | undefined;
  readonly cause?: unknown;
}

const brand = Symbol.for("@fairlead/netlink.NetlinkError");

/** Every failure of this package. */
export class NetlinkError extends Error {
  override readonly name = "NetlinkError";
  readonly code: NetlinkErrorCode;
  readonly operation: string;
  readonly object: string | undefined;
  readonly errno: string | undefined;
  readonly detail: string | undefined;
  readonly advice: string | undefined;

  constructor(details: NetlinkErrorDetails) {
    super(sentence(details), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.operation = details.operation;
    this.object = details.object;
    this.errno = details.errno;
    this.detail = details.detail;
    this.advice = details.advice;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for a NetlinkError of this or of another copy of the package. */
  static is(error: unknown): error is NetlinkError {
    return typeof error === "object" && error !== null && brand in error;
  }
}

function sentence({ operation, object, errno, code, detail, advice }: NetlinkErrorDetails): string {
  const subject = object === undefined ? operation : `${operation} ${object}`;
  const reasons = [errno ?? code, detail].filter((part) => part !== undefined).join(": ");
  return `${subject}: ${reasons}${advice === undefined ? "" : `. ${advice}`}`;
}
