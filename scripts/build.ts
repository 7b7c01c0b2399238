/** Builds what npm users get (`dist/`) and checks that each package can be published as it is. */
import { runSteps } from "./steps.ts";

runSteps([
  ["turbo", "run", "build", "--output-logs=errors-only"],
  ["node", "scripts/publishable.ts"],
]);
