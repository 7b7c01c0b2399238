import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, systemCodeOf } from "../../error.ts";
import { CniRuntimeError } from "./error.ts";

export type CniCommand = "ADD" | "DEL" | "CHECK" | "GC" | "STATUS" | "VERSION";

/** What one execution of a plug-in is about. */
export interface Invocation {
  readonly command: CniCommand;
  readonly containerId?: string;
  /** Path of the network namespace. DEL may go without: the namespace may be gone. */
  readonly netns?: string;
  readonly ifName?: string;
  /** `CNI_ARGS`, in this order. */
  readonly args?: readonly (readonly [string, string])[];
}

/** Directories with plug-ins, and how long one may run (milliseconds). */
export interface PluginRunner {
  readonly pluginDirectories: readonly string[];
  readonly timeout: number;
}

/** The environment of a plug-in: the runtime's own plus what the specification names. */
export function pluginEnvironment(
  invocation: Invocation,
  pluginDirectories: readonly string[],
  base: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  return {
    ...base,
    CNI_COMMAND: invocation.command,
    CNI_CONTAINERID: invocation.containerId ?? "",
    CNI_NETNS: invocation.netns ?? "",
    CNI_ARGS: (invocation.args ?? []).map(([key, value]) => `${key}=${value}`).join(";"),
    CNI_IFNAME: invocation.ifName ?? "",
    CNI_PATH: pluginDirectories.join(":"),
  };
}

/**
 * Runs one plug-in and returns what it printed, parsed; undefined when it printed nothing.
 *
 * @throws CniRuntimeError `Plugin` with the plug-in's code and message, `NotFound`
 */
export async function runPlugin(
  runner: PluginRunner,
  type: string,
  invocation: Invocation,
  config: object,
): Promise<Record<string, unknown> | undefined> {
  const program = await findPlugin(type, runner.pluginDirectories);
  const env = pluginEnvironment(invocation, runner.pluginDirectories);
  const input = JSON.stringify(config);
  for (let attempt = 1; ; attempt++) {
    try {
      return await execute(program, type, env, input, runner.timeout);
    } catch (error) {
      // Somebody replaces the file right now; a runtime tries again for a while.
      if (attempt === 5 || !(error instanceof Error) || systemCodeOf(error.cause) !== "ETXTBSY") throw error;
      await delay(200);
    }
  }
}

async function findPlugin(type: string, directories: readonly string[]): Promise<string> {
  for (const directory of directories) {
    const path = join(directory, type);
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  throw new CniRuntimeError(
    "NotFound",
    `no plug-in ${JSON.stringify(type)} in ${directories.join(", ")}; install it there`,
  );
}

async function execute(
  program: string,
  type: string,
  env: NodeJS.ProcessEnv,
  input: string,
  timeout: number,
): Promise<Record<string, unknown> | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Record<string, unknown> | undefined>();
  const child = spawn(program, [], { env, stdio: "pipe", timeout, killSignal: "SIGKILL" });
  let output = "";
  let errors = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  // A plug-in need not read its configuration.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  child.on("error", (cause) =>
    reject(new CniRuntimeError("Plugin", `cannot run plug-in ${type}: ${cause.message}`, { cause })),
  );
  child.on("close", (status, signal) => {
    const printed = parseObject(output);
    if (status === 0) {
      if (output.trim() !== "" && printed === undefined)
        return reject(
          new CniRuntimeError("Plugin", `plug-in ${type} printed no JSON object: ${output.slice(0, 200)}`),
        );
      return resolve(printed);
    }
    reject(
      failureOf(
        type,
        printed,
        errors,
        signal === null ? `status ${status}` : `${signal} (limit ${timeout} ms)`,
      ),
    );
  });
  return promise;
}

function failureOf(
  type: string,
  printed: Record<string, unknown> | undefined,
  errors: string,
  ending: string,
) {
  const { code, msg, details } = printed ?? {};
  if (typeof msg !== "string" || msg === "") {
    const tail = errors.trim().slice(-300);
    return new CniRuntimeError(
      "Plugin",
      `plug-in ${type} failed (${ending}) without an error message${tail ? `: ${tail}` : ""}`,
    );
  }
  const number = typeof code === "number" ? { number: code } : {};
  const more = typeof details === "string" && details !== "" ? `; ${details}` : "";
  return new CniRuntimeError("Plugin", `plug-in ${type} failed: ${msg}${more}`, number);
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch (error) {
    return void messageOf(error);
  }
}
