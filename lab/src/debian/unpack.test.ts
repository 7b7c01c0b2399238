import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { unpackPackages } from "./unpack.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "unpack-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test.runIf(existsSync("/usr/bin/apt-get"))(
  "a package that cannot be had leaves what was there, and nothing else",
  async () => {
    const into = join(directory, "kernel");
    mkdirSync(into);
    writeFileSync(join(into, "kept"), "as before");
    const missing = unpackPackages({ packages: ["no-package-has-this-name"], into });
    await expect(missing).rejects.toThrow(/no-package-has-this-name/);
    expect(readFileSync(join(into, "kept"), "utf8")).toBe("as before");
    expect(readdirSync(directory)).toEqual(["kernel"]);
  },
);
