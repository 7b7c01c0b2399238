/** Builds what npm users get (`dist/`) and checks that each package can be published as it is. */
import { runSteps, type Step } from "./steps.ts";

export const buildSteps: readonly Step[] = [
  ["turbo", "run", "build", "--output-logs=errors-only"],
  ["node", "scripts/publishable.ts"],
];

if (import.meta.main) runSteps(buildSteps);
