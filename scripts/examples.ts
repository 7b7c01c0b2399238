/** Puts the examples of our documents where their imports resolve, and runs them. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Example } from "./documents.ts";
import { root } from "./steps.ts";

/** Files with the examples, as long as it is not disposed of. */
export interface PlacedExamples extends Disposable {
  readonly files: ReadonlyMap<Example, string>;
}

export function placeExamples(examples: readonly Example[]): PlacedExamples {
  const files = new Map<Example, string>();
  for (const [index, example] of examples.entries()) {
    const directory = join(root, example.workspace, "out");
    const file = join(directory, `example-${process.pid}-${index}.ts`);
    mkdirSync(directory, { recursive: true });
    writeFileSync(file, `${example.code}export {};\n`);
    files.set(example, file);
  }
  return {
    files,
    [Symbol.dispose]() {
      for (const file of files.values()) rmSync(file, { force: true });
    },
  };
}

/** Runs a file in an empty directory, for at most two minutes. @throws with what it wrote to standard error */
export function runExample(file: string): void {
  const cwd = mkdtempSync(join(tmpdir(), "fairlead-example-"));
  try {
    execFileSync(process.execPath, [file], { cwd, stdio: "pipe", timeout: 120_000 });
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}
