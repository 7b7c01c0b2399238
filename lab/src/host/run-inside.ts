import { spawn } from "node:child_process";
import { once } from "node:events";
import { LabError } from "../error.ts";
import { type StartOptions, startLab } from "./start.ts";
import { enterLab } from "./state.ts";
import { stopLab } from "./stop.ts";

/**
 * Brings the lab up for one program, runs it in the lab's root namespaces (where the API server and every machine can be
 * reached), and takes the lab down again however the program ended. SIGINT and SIGTERM end the program first.
 *
 * @returns the program's exit status; 130 when it was interrupted.
 */
export async function runInside(
  argv: readonly string[],
  options: StartOptions & { readonly workingDirectory: string },
): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () =>
      interrupted.abort(new LabError("StartFailed", `${signal}: the lab was ended`)),
    );
  }
  const lab = await startLab({ ...options, signal: interrupted.signal });
  try {
    const [command, ...args] = [...enterLab(lab, options.workingDirectory), ...argv];
    const child = spawn(command!, args, { stdio: "inherit" });
    interrupted.signal.addEventListener("abort", () => child.kill("SIGTERM"), { once: true });
    const [status] = await once(child, "exit");
    return interrupted.signal.aborted ? 130 : (status ?? 1);
  } finally {
    await stopLab(lab);
  }
}
