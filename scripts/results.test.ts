import { expect, it } from "vitest";
import { judge, type Report } from "./results.ts";

const file = (name: string, status: string, tests: readonly string[], message = "") => ({
  name,
  status,
  message,
  assertionResults: tests.map((status) => ({ status })),
});
const reportOf = (...testResults: Report["testResults"]): Report => ({
  numPassedTests: testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "passed").length,
  testResults,
});
const good = file("good.test.ts", "passed", ["passed", "passed", "skipped"]);

it("counts tests", () => {
  const report = reportOf(good, file("bad.test.ts", "failed", ["passed", "failed", "failed"]));
  expect(judge(reportOf(good), 0)).toEqual({ passed: 2, failed: 0, otherFailures: [] });
  expect(judge(report, 1)).toEqual({ passed: 3, failed: 2, otherFailures: [] });
});

it("counts a file whose process died as failed, and names it", () => {
  // As Vitest reports it: the tests of the file are pending.
  const report = reportOf(good, file("crash.test.ts", "failed", ["pending", "pending"]));
  expect(judge(report, 1)).toEqual({
    passed: 2,
    failed: 1,
    otherFailures: ["crash.test.ts did not come to its end"],
  });
});

it("counts a file that could not be loaded as failed, and says why", () => {
  const report = reportOf(file("lost.test.ts", "failed", [], "Cannot find module './x.ts'"));
  expect(judge(report, 1)).toMatchObject({
    failed: 1,
    otherFailures: ["lost.test.ts did not come to its end: Cannot find module './x.ts'"],
  });
});

it("counts what fails outside of every file, such as something left behind", () => {
  expect(judge(reportOf(good), 1)).toMatchObject({ passed: 2, failed: 1 });
  expect(judge(reportOf(good), null).otherFailures[0]).toContain("signal");
});

it("counts a run without a report as failed", () => {
  expect(judge(undefined, 0)).toMatchObject({ passed: 0, failed: 1 });
});
