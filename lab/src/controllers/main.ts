import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startControllers } from "./index.ts";

/** `node main.ts --kubeconfig FILE`: runs all controllers; one ready line on stdout, SIGTERM ends it. */
const { values } = parseArgs({ options: { kubeconfig: { type: "string" } } });
const file = values.kubeconfig ?? process.env.KUBECONFIG;
if (!file) {
  console.error("no kubeconfig: give --kubeconfig FILE or set KUBECONFIG");
  process.exit(2);
}
const controllers = await startControllers(readFileSync(file, "utf8"));
console.log("ready");
const stop = (): void => {
  controllers.stop();
  process.exit(0);
};
process.on("SIGTERM", stop);
process.on("SIGINT", stop);
