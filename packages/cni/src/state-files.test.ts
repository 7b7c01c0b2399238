import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createBrittleDisk } from "./brittle-disk.fixture.ts";
import { createStateFiles } from "./state-files.ts";

let directory: string;
let reported: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-state-"));
  reported = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (name: string) => join(directory, name);

describe("on a full disk", () => {
  function start() {
    const disk = createBrittleDisk();
    const report = (path: string, error: unknown) =>
      reported.push(`${path.slice(directory.length + 1)} ${(error as NodeJS.ErrnoException).code}`);
    return { disk, files: createStateFiles({ disk, report }) };
  }

  it("what is written is read back, reported once, and written when there is room", () => {
    const { disk, files } = start();
    files.write(at("a"), "old");
    disk.isFull = true;
    files.write(at("a"), "new");
    files.write(at("a"), "newer");
    expect([files.read(at("a")), readFileSync(at("a"), "utf8")]).toEqual(["newer", "old"]);
    expect([reported, files.owed()]).toEqual([["a ENOSPC"], [at("a")]]);
    files.retry();
    disk.isFull = false;
    files.retry();
    expect([readFileSync(at("a"), "utf8"), files.owed(), reported]).toEqual(["newer", [], ["a ENOSPC"]]);
  });

  it("the next file that can be written brings the owed ones along", () => {
    const { disk, files } = start();
    disk.isFull = true;
    files.write(at("a"), "1");
    files.write(at("b"), "2");
    disk.isFull = false;
    files.write(at("c"), "3");
    expect([files.owed(), readdirSync(directory).sort()]).toEqual([[], ["a", "b", "c"]]);
  });

  it("a directory that stays read-only keeps nothing of another one from being written", () => {
    const disk = createBrittleDisk();
    const partly = createStateFiles({
      disk: {
        ...disk,
        replace(path, text, mode) {
          if (dirname(path) === at("stuck")) throw Object.assign(new Error("read-only"), { code: "EROFS" });
          disk.replace(path, text, mode);
        },
      },
    });
    disk.isFull = true;
    partly.write(at("stuck/a"), "1");
    partly.write(at("b"), "2");
    disk.isFull = false;
    partly.retry();
    expect([partly.owed(), readdirSync(directory)]).toEqual([[at("stuck/a")], ["b"]]);
  });

  it("a file that was to be written and then removed is not written afterwards", () => {
    const { disk, files } = start();
    disk.isFull = true;
    files.write(at("a"), "1");
    files.remove(at("a"));
    disk.isFull = false;
    files.retry();
    expect([files.owed(), existsSync(at("a"))]).toEqual([[], false]);
  });

  it("a file that cannot be removed is gone for whoever reads it", () => {
    const { disk, files } = start();
    files.write(at("a"), "1");
    disk.isReadOnly = true;
    files.remove(at("a"));
    expect([files.read(at("a")), existsSync(at("a")), files.owed()]).toEqual([undefined, true, [at("a")]]);
    expect(reported).toEqual(["a EROFS"]);
    disk.isReadOnly = false;
    files.retry();
    expect([existsSync(at("a")), files.owed()]).toEqual([false, []]);
  });
});

it("a directory that has a file's name is put aside, on writing and on removing", () => {
  const files = createStateFiles({ report: (path) => reported.push(path) });
  for (const name of ["a", "b"]) mkdirSync(join(at(name), "x"), { recursive: true });
  files.write(at("a"), "1");
  files.remove(at("b"));
  expect(readdirSync(directory).sort()).toEqual(["a", "a.broken", "b.broken"]);
  expect([files.read(at("a")), files.owed(), reported]).toEqual(["1", [], [at("a"), at("b")]]);
});
