import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";

it("notes go on in memory on a disk that is full or read-only, and are written when it is well", () => {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-full-"));
  try {
    const fixture = join(import.meta.dirname, "full-disk-script.fixture.ts");
    const output = execFileSync("unshare", ["--mount", process.execPath, fixture, directory], {
      encoding: "utf8",
    });
    expect(JSON.parse(output)).toEqual({
      codes: ["ENOSPC", "ENOSPC"],
      whileFull: ["after", "new", ["filling", "kept"]],
      whileReadOnly: [null, ["kept"]],
      whenWell: [[], ["new"]],
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
