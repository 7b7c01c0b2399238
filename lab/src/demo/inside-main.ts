/** The part of the demo that runs in the lab's own namespaces: tells the story, writes the report, draws it. */
import { createApiClient } from "@fairlead/api";
import { LabError } from "../error.ts";
import { inside, outDirectory } from "../first/paths.ts";
import { renderHtml } from "./html.ts";
import { findBrokenPromises } from "./report.ts";
import { runScenario } from "./scenario.ts";
import { drawMigration } from "./terminal.ts";
import { readVersions } from "./versions.ts";
import { writeFiles } from "./write-files.ts";

const began = performance.now();
const tell = (step: string) =>
  process.stderr.write(`${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s  ${step}\n`);

const client = createApiClient({ kubeconfig: inside.adminKubeconfig });
try {
  const { report, observations } = await runScenario(client, await readVersions(), tell);
  writeFiles(outDirectory, {
    "report.json": `${JSON.stringify(report, null, 2)}\n`,
    "report.html": renderHtml(report, observations),
  });
  for (const [i, migration] of report.migrations.entries()) {
    process.stdout.write(`\n${drawMigration(observations[i]!, migration)}\n`);
  }
  const broken = findBrokenPromises(report);
  for (const sentence of broken) process.stdout.write(`\nBROKEN: ${sentence}`);
  process.stdout.write(
    broken.length === 0
      ? `\nEvery promise was kept. The report: ${outDirectory}/report.html\n`
      : `\n\nNot every promise was kept. The report: ${outDirectory}/report.html\n`,
  );
  process.exitCode = broken.length === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof LabError)) throw error;
  process.stderr.write(`demo: ${error.message}\n`);
  process.exitCode = 1;
} finally {
  await client.close();
}
