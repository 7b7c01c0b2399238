/**
 * `npm test`: the checks, every test of the packages, then the end-to-end suites inside a lab, and what depends on the router's
 * program once more with FRR. It closes with the line
 * `N passed, N failed`. With arguments, vitest runs with these: `npm test -- --project unit packages/ipam`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { judge, type Report, type Results } from "./results.ts";
import { root, runSteps } from "./steps.ts";

const args = process.argv.slice(2);
if (args.length > 0) {
  runSteps([["vitest", "run", ...args]]);
} else {
  await import("./check.ts");
  // A complete run has the machine to itself and may judge what is left on it.
  process.env.FAIRLEAD_COMPLETE_TEST_RUN = "1";
  const results = [
    runSuite("vitest", "run"),
    runInLab([]),
    runInLab(
      ["--topology", "lab/topologies/three-workers-frr.clab.yml"],
      "router.test.ts",
      "upgrade.test.ts",
    ),
  ];
  for (const sentence of results.flatMap(({ otherFailures }) => otherFailures)) {
    process.stdout.write(`failed: ${sentence}\n`);
  }
  const sum = (key: "passed" | "failed") => results.reduce((total, result) => total + result[key], 0);
  process.stdout.write(`\n${sum("passed")} passed, ${sum("failed")} failed\n`);
  process.exitCode = sum("failed") === 0 ? 0 : 1;
}

/** Runs the end-to-end suites, or those of these files, in a lab of their own. */
function runInLab(options: readonly string[], ...files: string[]): Results {
  const suites = ["vitest", "run", "--config", "e2e/vitest.config.ts", ...files];
  return runSuite("node", "lab/src/cli.ts", "run", ...options, "--", ...suites);
}

/** Runs one suite to its end, whatever fails in it. */
function runSuite(name: string, ...argv: string[]): Results {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-test-"));
  const file = join(directory, "result.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  try {
    const { status } = spawnSync(name, [...argv, ...reporters], { cwd: root, stdio: "inherit" });
    return judge(readReport(file), status);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
