/** What went wrong with QEMU: it could not be started, refused a command, fell silent, ended, or a migration failed. */
export class QemuError extends Error {
  readonly code:
    | "MissingProgram"
    | "StartFailed"
    | "CommandFailed"
    | "Timeout"
    | "Ended"
    | "MigrationFailed"
    | "GuestLost";

  constructor(code: QemuError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "QemuError";
    this.code = code;
  }
}
