/** Why the guest's kernel or initramfs cannot be had. The message says what to do. */
export class GuestError extends Error {
  readonly code: "MissingProgram" | "KernelUnavailable" | "BuildFailed";

  constructor(code: GuestError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "GuestError";
    this.code = code;
  }
}
