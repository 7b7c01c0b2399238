import { spawn } from "node:child_process";
import { LabError, messageOf } from "./error.ts";

export interface CommandOptions {
  /** Written to the command's standard input. */
  readonly input?: string;
  /** Milliseconds. Default 20000. */
  readonly timeout?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end and returns what it printed. @throws LabError `CommandFailed` with what it printed on failure */
export async function run(argv: readonly string[], options: CommandOptions = {}): Promise<string> {
  const [program, ...args] = argv;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(program!, args, {
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    timeout: options.timeout ?? 20_000,
    killSignal: "SIGKILL",
    ...(options.env && { env: options.env }),
  });
  let output = "";
  let errors = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input);
  child.on("error", (cause) =>
    reject(new LabError("CommandFailed", `cannot run ${program}: ${messageOf(cause)}`, cause)),
  );
  child.on("close", (status, signal) => {
    if (status === 0) return resolve(output);
    const how = signal === null ? `status ${status}` : signal;
    reject(new LabError("CommandFailed", `${argv.join(" ")}: ${how}: ${(errors || output).trim()}`));
  });
  return promise;
}
