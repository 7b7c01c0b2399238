import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { directory, file, packArchive, symlink } from "./cpio.ts";

test("an archive unpacks to the files, permissions and links that went in", () => {
  const target = mkdtempSync(join(tmpdir(), "cpio-"));
  try {
    const archive = packArchive([
      directory("bin"),
      file("bin/tool", Buffer.from("#!/bin/sh\n"), 0o755),
      symlink("bin/sh", "tool"),
      file("empty", new Uint8Array()),
    ]);
    execFileSync("busybox", ["cpio", "-idm"], {
      cwd: target,
      input: archive,
      stdio: ["pipe", "pipe", "pipe"],
    });
    expect(readFileSync(join(target, "bin/tool"), "utf8")).toBe("#!/bin/sh\n");
    expect(statSync(join(target, "bin/tool")).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(target, "bin/sh"))).toBe("tool");
    expect(statSync(join(target, "empty")).size).toBe(0);
  } finally {
    rmSync(target, { recursive: true });
  }
});

test("every header starts at a multiple of four bytes, whatever the lengths of names and data", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{1,20}$/), fc.uint8Array({ maxLength: 50 }), (path, data) => {
      const archive = packArchive([file(path, data), file("second", data)]);
      expect(archive.indexOf("070701", 6) % 4).toBe(0);
      expect(archive.lastIndexOf("070701") % 4).toBe(0);
    }),
  );
});

test("the same entries give the same bytes", () => {
  const entries = [directory("a"), file("a/b", Buffer.from("c"))];
  expect(packArchive(entries)).toEqual(packArchive(entries));
});
