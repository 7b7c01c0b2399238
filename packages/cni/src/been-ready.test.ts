import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openBeenReady } from "./been-ready.ts";

let directory: string;
let errors: unknown[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "fairlead-ready-"));
  errors = [];
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (bootIdFile?: string) =>
  openBeenReady({
    socketPath: join(directory, "cni.sock"),
    onError: (error) => errors.push(error),
    ...(bootIdFile && { bootIdFile }),
  });

it("having been ready outlives the agent, and not the machine's run", () => {
  expect(open().isSet()).toBe(false);
  open().set();
  expect([open().isSet(), open("/proc/sys/kernel/random/uuid").isSet()]).toEqual([true, false]);
});

it("what cannot be written counts for this agent, is reported, and is written later", () => {
  const obstacle = join(directory, "been-ready");
  mkdirSync(obstacle);
  const beenReady = open();
  beenReady.set();
  expect([beenReady.isSet(), open().isSet()]).toEqual([true, false]);
  expect(errors).toMatchObject([{ code: "EISDIR" }]);
  rmSync(obstacle, { recursive: true });
  beenReady.set();
  expect(open().isSet()).toBe(true);
});
