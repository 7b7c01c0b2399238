import { LabError } from "../error.ts";

/**
 * Fires on Ctrl-C and SIGTERM. Stays in place for as long as the process lives: the terminal, npm and the script that started us
 * may each deliver the same Ctrl-C, and none of them may end us before the lab is taken down.
 */
export function interruption(consequence: string): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => interrupted.abort(new LabError("Interrupted", `${signal}: ${consequence}`)));
  return interrupted.signal;
}
