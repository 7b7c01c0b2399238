/** Types, lint and format, unused code, packages as npm users get them: what `npm test` looks at before it runs anything. */
import { buildSteps } from "./build.ts";
import { runSteps } from "./steps.ts";

runSteps([
  ["tsc", "-p", "."],
  ["biome", "check", "--error-on-warnings", "."],
  ["knip", "--no-progress", "--no-config-hints"],
  ...buildSteps,
]);
