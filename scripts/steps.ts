/** Runs the steps of a command one after the other and stops at the first that fails. */
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";

/** The repository's root. */
export const root = dirname(import.meta.dirname);

/** A program and its arguments. */
export type Step = readonly [string, ...string[]];

/** Runs each argument vector from the root with the terminal as it is; ends this process with the first failure's status. */
export function runSteps(steps: readonly Step[]): void {
  for (const [name, ...args] of steps) {
    const result = spawnSync(name, args, { cwd: root, stdio: "inherit" });
    if (result.status !== 0) {
      process.stderr.write(`fairlead: ${[name, ...args].join(" ")} failed\n`);
      process.exit(result.status ?? 1);
    }
  }
}
