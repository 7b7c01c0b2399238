/** `npm run demo [-- --topology FILE]`: brings the lab up, plays the scenario inside it, takes the lab down again whatever happened. */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LabError, messageOf } from "../error.ts";
import { defaultTopology, workspace } from "../first/paths.ts";
import { showProgress } from "../host/display.ts";
import { runInside } from "../host/run-inside.ts";

try {
  const { topology } = readOptions();
  process.stderr.write("bringing up the lab\n");
  process.exitCode = await runInside([process.execPath, join(import.meta.dirname, "inside-main.ts")], {
    topology,
    workingDirectory: workspace,
    measures: true,
    onProgress: showProgress(process.stderr),
  });
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
}

/** @throws LabError `BadRequest` */
function readOptions() {
  try {
    return parseArgs({ options: { topology: { type: "string", default: defaultTopology } } }).values;
  } catch (cause) {
    throw new LabError("BadRequest", `${messageOf(cause)}; there is --topology FILE`, cause);
  }
}
