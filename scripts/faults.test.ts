import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
const rows = readFileSync(join(root, "docs/faults.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| [A-Z]+\d+ \|/.test(line))
  .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));

describe("docs/faults.md", () => {
  it("has rows, each with an id of its own", () => {
    const ids = rows.map(([id]) => id);
    expect(ids.length).toBeGreaterThan(30);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(rows.map((row) => [row[0], row.at(-1) ?? ""] as const))(
    "names for %s tests that are there",
    (_, cell) => {
      const named = [...cell.matchAll(/`([^`]+)` "([^"]+)"/g)];
      expect(named.length).toBeGreaterThan(0);
      // Nothing in the cell but tests.
      expect(cell.replaceAll(/`[^`]+` "[^"]+"/g, "").replaceAll("; ", "")).toBe("");
      for (const [, file, name] of named) expect(readFileSync(join(root, file!), "utf8")).toContain(name);
    },
  );
});
