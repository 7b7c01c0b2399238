/**
 * `MissingProgram`, `MissingPrivilege`, `DiskFull`, `AlreadyRunning`, `NotRunning`: the user's machine is not as it must be.
 * `Interrupted`: Ctrl-C.
 * `BadTopology`, `UnknownNode`, `UnknownProcess`, `BadRequest`: what was asked for makes no sense. `StartFailed`, `CommandFailed`,
 * `Timeout`: a part of the lab did not work.
 */
export type LabErrorCode =
  | "MissingProgram"
  | "MissingPrivilege"
  | "DiskFull"
  | "AlreadyRunning"
  | "Interrupted"
  | "NotRunning"
  | "BadTopology"
  | "UnknownNode"
  | "UnknownProcess"
  | "BadRequest"
  | "StartFailed"
  | "CommandFailed"
  | "Timeout";

/** Every error of the lab a user may meet. The message ends with what to do next. */
export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** Why a file of lab/out could not be written. */
export function cannotWrite(path: string, cause: unknown): LabError {
  const code = systemCodeOf(cause);
  return code === "ENOSPC" || code === "EDQUOT"
    ? new LabError("DiskFull", `the disk is full: cannot write ${path}; make room there and try again`, cause)
    : new LabError("MissingPrivilege", `cannot write ${path}: ${messageOf(cause)}`, cause);
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The `code` of a Node.js system error, such as `ENOENT`. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
