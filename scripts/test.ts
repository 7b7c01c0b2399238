/** `npm test`: the checks, then every test. Arguments go to vitest: `npm test -- --project unit packages/ipam`. */
import { runSteps } from "./steps.ts";

const args = process.argv.slice(2);
if (args.length === 0) {
  await import("./check.ts");
  process.env.FAIRLEAD_COMPLETE_TEST_RUN = "1";
}
runSteps([["vitest", "run", ...args]]);
