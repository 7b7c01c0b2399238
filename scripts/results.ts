/** What a run of the tests comes to, from Vitest's JSON report and its exit status. */

/** The part of the report that is read. */
export interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    /** Path of the file. */
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface Results {
  readonly passed: number;
  readonly failed: number;
  /** What failed without being a test, a sentence each; each counts as one failure. */
  readonly otherFailures: readonly string[];
}

/** `report` is undefined when none was written. A file fails as a whole when it cannot be loaded, or its process dies. */
export function judge(report: Report | undefined, exitStatus: number | null): Results {
  if (report === undefined) return { passed: 0, failed: 1, otherFailures: ["the run wrote no result"] };
  const failedTests = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status === "failed"),
  );
  const otherFailures = report.testResults
    .filter(({ status, assertionResults }) => {
      return status === "failed" && !assertionResults.some((test) => test.status === "failed");
    })
    .map(({ name, message }) => `${name} did not come to its end${message ? `: ${message}` : ""}`);
  if (exitStatus !== 0 && failedTests.length + otherFailures.length === 0) {
    otherFailures.push(`the run ended with status ${exitStatus ?? "of a signal"} although no test failed`);
  }
  return {
    passed: report.numPassedTests,
    failed: failedTests.length + otherFailures.length,
    otherFailures,
  };
}
