/** Types, lint and format, unused code: what `npm test` looks at before it runs anything. */
import { runSteps } from "./steps.ts";

runSteps([
  ["tsc", "-p", "."],
  ["biome", "check", "--error-on-warnings", "."],
  ["knip", "--no-progress", "--no-config-hints"],
]);
