/**
 * `Config`: the network configuration is wrong or missing. `Plugin`: a plug-in reported an error or ended with one; `number` is
 * its CNI code. `NotFound`: the plug-in is not installed. `Runtime`: our own part failed. `Unsupported`: the version has no such
 * command.
 */
export type CniRuntimeErrorCode = "Config" | "Plugin" | "NotFound" | "Runtime" | "Unsupported";

export class CniRuntimeError extends Error {
  override readonly name = "CniRuntimeError";
  readonly code: CniRuntimeErrorCode;
  /** Error number of the CNI specification, or of the plug-in from 100 on. */
  readonly number: number | undefined;

  constructor(
    code: CniRuntimeErrorCode,
    message: string,
    options: { number?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.number = options.number;
  }
}
