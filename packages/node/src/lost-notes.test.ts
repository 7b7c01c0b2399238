import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBeenReady } from "@fairlead/cni";
import { afterEach, beforeEach, expect, it } from "vitest";
import { areNotesLost } from "./lost-notes.ts";

let runDir: string;
let directory: string;
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), "fairlead-lost-"));
  directory = join(runDir, "state", "attachments");
});
afterEach(() => rmSync(runDir, { recursive: true }));

const errors: unknown[] = [];
const onError = (error: unknown) => void errors.push(error);
function start() {
  const beenReady = openBeenReady({ socketPath: join(runDir, "cni.sock"), onError });
  const isLost = areNotesLost({ directory, runDir, beenReady, onError });
  beenReady.set();
  return isLost;
}

it("the first start of a node has lost nothing, nor has one that finds its directory", () => {
  expect([start(), start()]).toEqual([false, false]);
});

it.each<[string, () => void]>([
  ["is gone", () => {}],
  ["is a file", () => writeFileSync(directory, "")],
])(
  "a start whose directory %s has, and so has every start until the machine starts again",
  (_what, spoil) => {
    start();
    rmSync(directory, { recursive: true });
    spoil();
    expect(start()).toBe(true);
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    expect(start()).toBe(true);
    for (const note of ["been-ready", "notes-lost"]) rmSync(join(runDir, note));
    expect(start()).toBe(false);
  },
);
