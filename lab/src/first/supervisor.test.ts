import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { getPriority, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { startTimeOf } from "../process.ts";
import { Supervisor } from "./supervisor.ts";

let logDirectory: string;
let supervisor: Supervisor;

beforeEach(() => {
  logDirectory = mkdtempSync(join(tmpdir(), "supervisor-"));
  supervisor = new Supervisor({ logDirectory, enter: () => [] });
});

afterEach(async () => {
  supervisor.stopAll();
  await vi.waitFor(() => expect(supervisor.status().filter(({ pid }) => pid !== undefined)).toEqual([]), {
    timeout: 30_000,
  });
  rmSync(logDirectory, { recursive: true });
});

test("a program of the control plane leaves the processors to the others", () => {
  const own = getPriority();
  supervisor.add({ name: "apiserver", argv: ["sleep", "60"], isBackground: true });
  supervisor.add({ name: "node1/bird", node: "node1", argv: ["sleep", "60"] });
  const priorities = supervisor.status().map(({ name, pid }) => [name, getPriority(pid)]);
  expect(priorities).toEqual([
    ["apiserver", 10],
    ["node1/bird", own],
  ]);
});

const one = () => supervisor.status()[0];
const run = (script: string, more: object = {}) =>
  supervisor.add({ name: "one", argv: ["sh", "-c", script], ...more });

test("a program that ends is started again, and what it printed is kept", async () => {
  run("echo here; exit 3");
  await expect.poll(() => one()?.restarts).toBeGreaterThan(1);
  expect(one()?.lastExit).toBe("status 3");
  await expect.poll(() => readFileSync(one()?.log ?? "", "utf8")).toMatch(/^here\nhere\n/);
});

test("a killed program is started again under another process ID", async () => {
  run("exec sleep 60");
  const pid = supervisor.kill("one", "SIGKILL");
  await expect.poll(() => one()?.state === "running" && one()?.pid !== pid).toBe(true);
  expect(one()).toMatchObject({ restarts: 1, lastExit: "SIGKILL" });
});

test("SIGKILL of a container ends what it has started, SIGTERM is for its first process to act on", async () => {
  const started = join(logDirectory, "started");
  run(`trap 'echo told; kill $!; wait; exit 0' TERM; sleep 60 & echo $! > ${started}; wait`, {
    isContainer: true,
  });
  const inner = async () => {
    await expect.poll(() => existsSync(started) && readFileSync(started, "utf8")).toMatch(/\n/);
    const pid = Number(readFileSync(started, "utf8"));
    rmSync(started);
    return pid;
  };
  const first = await inner();
  supervisor.kill("one", "SIGKILL");
  await expect.poll(() => startTimeOf(first)).toBeUndefined();
  const second = await inner();
  supervisor.kill("one", "SIGTERM");
  await expect.poll(() => startTimeOf(second)).toBeUndefined();
  await expect.poll(() => readFileSync(one()?.log ?? "", "utf8")).toBe("told\n");
});

test("a stopped program stays stopped until it is started again", async () => {
  run("exec sleep 60");
  supervisor.stop("one");
  await expect.poll(() => one()?.pid).toBeUndefined();
  expect(one()).toMatchObject({ state: "stopped", restarts: 0, lastExit: "SIGTERM" });
  expect(() => supervisor.kill("one", "SIGTERM")).toThrow("one does not run (stopped)");
  supervisor.restart("one");
  expect(one()?.state).toBe("running");
});

test("a program that is to start again while it stops does", async () => {
  run("exec sleep 60");
  const pid = one()?.pid;
  supervisor.stop("one");
  supervisor.restart("one");
  await expect.poll(() => one()?.state === "running" && one()?.pid !== pid).toBe(true);
});

test("a program waits for the file it needs", async () => {
  const file = join(logDirectory, "socket");
  run("exec sleep 60", { after: file });
  expect(one()).toMatchObject({ state: "waiting", restarts: 0 });
  writeFileSync(file, "");
  await expect.poll(() => one()?.state).toBe("running");
});

test("a program gets its configuration after every start, as soon as it can take it", async () => {
  const socket = join(logDirectory, "socket");
  const given = join(logDirectory, "given");
  run("exec sleep 60", { configure: ["sh", "-c", `test -e ${socket} && echo once >> ${given}`] });
  await expect.poll(() => readFileSync(one()?.log ?? "", "utf8")).toContain("status 1");
  writeFileSync(socket, "");
  await expect.poll(() => existsSync(given) && readFileSync(given, "utf8")).toBe("once\n");
  supervisor.kill("one", "SIGKILL");
  await expect.poll(() => readFileSync(given, "utf8")).toBe("once\nonce\n");
});

test("a program that is not part of this build is absent; one that cannot be started says why", async () => {
  run("exec sleep 60", { program: join(logDirectory, "missing") });
  supervisor.add({ name: "two", argv: [join(logDirectory, "missing")] });
  expect(one()).toMatchObject({ state: "absent", restarts: 0 });
  await expect.poll(() => supervisor.status()[1]?.lastExit).toContain("ENOENT");
});

test("names are unique, and an unknown one is answered with those there are", () => {
  run("exec sleep 60");
  expect(() => run("exec sleep 60")).toThrow("there is a process one already");
  expect(() => supervisor.restart("zwei")).toThrow("there is no process zwei; there are: one");
});
