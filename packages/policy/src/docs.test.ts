import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const proof = readFileSync(new URL("../docs/proof.md", import.meta.url), "utf8");
const named = [...proof.matchAll(/`([\w/.-]+\.test\.ts)`: "([^"]+)"/g)].map(
  ([, file = "", title = ""]) => [file, title] as const,
);

test("the proof names tests", () => {
  expect(named.length).toBeGreaterThan(40);
});

test.each(named)("%s has a test named: %s", (file, title) => {
  expect(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8")).toContain(title);
});
