/** The part of the demo that runs in the lab's own namespaces: tells the story, writes the report, draws it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createApiClient } from "@fairlead/api";
import { LabError, messageOf } from "../error.ts";
import { inside, outDirectory } from "../first/paths.ts";
import { renderHtml } from "./html.ts";
import { findBrokenPromises } from "./report.ts";
import { runScenario } from "./scenario.ts";
import { drawMigration } from "./terminal.ts";
import { readVersions } from "./versions.ts";

const began = performance.now();
const tell = (step: string) =>
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${step}\n`);

const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
try {
  const { report, observations } = await runScenario(client, readVersions(), tell);
  mkdirSync(outDirectory, { recursive: true });
  write("report.json", `${JSON.stringify(report, null, 2)}\n`);
  write("report.html", renderHtml(report, observations));
  for (const [i, migration] of report.migrations.entries()) {
    process.stdout.write(`\n${drawMigration(observations[i]!, migration)}\n`);
  }
  const broken = findBrokenPromises(report);
  for (const sentence of broken) process.stdout.write(`\nBROKEN: ${sentence}`);
  process.stdout.write(
    broken.length === 0
      ? "\nEvery promise was kept. The report: lab/out/report.html\n"
      : "\n\nNot every promise was kept. The report: lab/out/report.html\n",
  );
  process.exitCode = broken.length === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await client.close();
}

function write(name: string, text: string): void {
  const path = join(outDirectory, name);
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new LabError(
      "StartFailed",
      `cannot write ${path}: ${messageOf(error)}; make room there and run the demo again`,
    );
  }
}
