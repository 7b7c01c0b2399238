import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

const module = join(import.meta.dirname, "write-files.ts");

it("a disk that fills up under the report is named, and the last report stays whole", () => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-report-"));
  const program = `
    import { readdirSync, readFileSync } from "node:fs";
    import { writeFiles } from ${JSON.stringify(module)};
    const directory = ${JSON.stringify(directory)};
    writeFiles(directory, { "report.json": "first", "report.html": "first" });
    try {
      writeFiles(directory, { "report.json": "second", "report.html": "x".repeat(1 << 20) });
    } catch (error) {
      const files = readdirSync(directory).map((name) => [name, readFileSync(directory + "/" + name, "utf8")]);
      console.log(JSON.stringify({ code: error.code, message: error.message, files: Object.fromEntries(files) }));
    }`;
  const shell = `mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" --input-type=module --eval "$3"`;
  try {
    const ran = spawnSync(
      "unshare",
      ["--mount", "sh", "-c", shell, "sh", directory, process.execPath, program],
      { encoding: "utf8", timeout: 30_000 },
    );
    expect(ran.stderr).toBe("");
    expect(JSON.parse(ran.stdout)).toEqual({
      code: "DiskFull",
      message: `the disk is full: cannot write ${directory}; make room there and try again`,
      files: { "report.json": "first", "report.html": "first" },
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
