/**
 * - `LinkMissing`: there is no such link, or it went away while listening; no announcement can come. Look at the pod's wiring.
 * - `OpenFailed`: the packet socket cannot be opened now; reported to `onProblem`, tried again.
 * - `FramesLost`: the kernel had no room for frames; reported to `onProblem`. The next announcement is heard: guests repeat theirs.
 * - `Invalid`: MAC or address is none.
 */
export type GarpErrorCode = "LinkMissing" | "OpenFailed" | "FramesLost" | "Invalid";

/** A failure to hear announcements. */
export class GarpError extends Error {
  override readonly name = "GarpError";
  readonly code: GarpErrorCode;

  constructor(code: GarpErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
