/** `npm run demo`: brings the lab up, plays the scenario inside it, takes the lab down again whatever happened. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { LabError } from "../error.ts";
import { workspace } from "../first/paths.ts";
import { showProgress } from "../host/display.ts";
import { startLab } from "../host/start.ts";
import { enterLab } from "../host/state.ts";
import { stopLab } from "../host/stop.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => interrupted.abort(new LabError("StartFailed", `${signal}: the demo was ended`)));
}

try {
  process.stderr.write("bringing up the lab\n");
  const lab = await startLab({
    topology: join(workspace, "lab/topologies/three-workers.clab.yml"),
    onProgress: showProgress(process.stderr),
    signal: interrupted.signal,
  });
  try {
    const [command, ...args] = [
      ...enterLab(lab, workspace),
      process.execPath,
      join(import.meta.dirname, "inside-main.ts"),
    ];
    const story = spawn(command!, args, { stdio: "inherit" });
    interrupted.signal.addEventListener("abort", () => story.kill("SIGTERM"), { once: true });
    const [status] = await once(story, "exit");
    process.exitCode = interrupted.signal.aborted ? 130 : (status ?? 1);
  } finally {
    await stopLab(lab);
  }
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
}
