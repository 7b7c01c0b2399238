/**
 * `Unreachable`: BIRD does not run or its control socket is elsewhere. `Rejected`: BIRD refused the configuration (`line` says where).
 * `Timeout`: BIRD did not answer before the deadline. `Closed`: the connection ended in the middle of a reply; the call may be
 * repeated. `CommandFailed`: BIRD refused a command. `UnexpectedReply`: an answer that is not BIRD's line protocol.
 * `FileSystem`: the configuration file could not be written. `Recovering`: BIRD has just started and waits for its neighbours to tell
 * everything again.
 */
export type BgpErrorCode =
  | "Unreachable"
  | "Rejected"
  | "Timeout"
  | "Closed"
  | "CommandFailed"
  | "UnexpectedReply"
  | "FileSystem"
  | "Recovering";

/** Every error of this package. The message ends with what to do next. */
export class BgpError extends Error {
  override readonly name = "BgpError";
  readonly code: BgpErrorCode;
  /** Where BIRD stumbled, when `code` is `Rejected`. Lines and columns count from 1. */
  readonly position?: { readonly line: number; readonly column?: number };

  constructor(
    code: BgpErrorCode,
    message: string,
    options: { cause?: unknown; position?: { line: number; column?: number } } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.position) this.position = options.position;
  }
}
