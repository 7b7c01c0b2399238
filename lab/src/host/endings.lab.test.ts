/** However a lab ends, or fails to start: a line that says why, a status other than 0, and nothing of it on the host. */
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { childrenOf, startTimeOf } from "../process.ts";
import { Trial, until } from "./trial.ts";

let trial: Trial;
beforeEach(() => {
  trial = new Trial();
});
afterEach(() => trial.end());

const up = () => ["up", "--topology", trial.topology];
const run = (...command: string[]) => ["run", "--topology", trial.topology, "--", ...command];
const parentOf = (pid: number) => Number(trial.run(["ps", "-o", "ppid=", "-p", String(pid)]).stdout);

describe("Ctrl-C", () => {
  it("while the lab starts takes it down, however often it is pressed", async () => {
    const command = trial.start(...up());
    await until("the first step", () => command.words().includes("own filesystem"));
    process.kill(-command.pid!, "SIGINT");
    process.kill(-command.pid!, "SIGINT");
    const [status] = await once(command, "exit");
    expect(status).toBe(1);
    expect(command.words()).toMatch(/lab: SIGINT: the lab was not started\n$/);
    expect(trial.leftovers()).toEqual([]);
  });

  it("while a program runs inside ends the program and the lab", async () => {
    const command = trial.start(...run("sh", "-c", "echo inside; exec sleep 600"));
    await until("the program", () => command.words().includes("inside"));
    process.kill(-command.pid!, "SIGINT");
    process.kill(-command.pid!, "SIGINT");
    const [status] = await once(command, "exit");
    expect(status).toBe(130);
    expect(trial.leftovers()).toEqual([]);
  });
});

describe("kill -9", () => {
  it.each([
    { what: "the lab's first process", victim: (first: number) => first },
    { what: "the program it runs", victim: (first: number) => childrenOf(first)[0]! },
    { what: "the unshare above it", victim: parentOf },
  ])("of $what takes everything along, and whoever runs in it is told", async ({ victim }) => {
    const command = trial.start(...run("sh", "-c", "echo inside; exec sleep 600"));
    await until("the program", () => command.words().includes("inside"));
    process.kill(victim(trial.state().pid), "SIGKILL");
    const [status] = await once(command, "exit");
    expect(status).toBe(1);
    expect(command.words()).toMatch(/lab: the lab ended while sh ran in it; see .*lab\.log\n$/);
    expect(await trial.leftoversAtLast()).toEqual([]);
  });

  it("of the command that starts a lab takes the lab along", async () => {
    const command = trial.start(...up());
    await until("the first step", () => command.words().includes("own filesystem"));
    command.kill("SIGKILL");
    expect(await trial.leftoversAtLast()).toEqual([]);
  });

  it("of the command a program runs under takes lab and program along", async () => {
    const command = trial.start(...run("sh", "-c", "echo inside; exec sleep 600"));
    await until("the program", () => command.words().includes("inside"));
    command.kill("SIGKILL");
    expect(await trial.leftoversAtLast()).toEqual([]);
  });

  it("of a lab that runs by itself leaves a state file that the next command removes", async () => {
    expect(trial.lab(...up()).status).toBe(0);
    const { pid } = trial.state();
    process.kill(pid, "SIGKILL");
    await until("its end", () => startTimeOf(pid) === undefined);
    expect(trial.lab("status").stderr).toBe("lab: the lab does not run; start it with: pnpm lab up\n");
    expect(await trial.leftoversAtLast()).toEqual([]);
  });
});

describe("what is missing or taken", () => {
  it("a full disk under the output directory is named before anything starts", () => {
    const full = `mount -t tmpfs -o size=256k tmpfs ${trial.out}`;
    const { status, stderr, stdout } = trial.labAfter(full, "up");
    expect(stdout).toBe("");
    expect(stderr).toBe(`lab: the disk is full: cannot write ${trial.out}; make room there and try again\n`);
    expect(status).toBe(1);
    expect(trial.leftovers()).toEqual([]);
  });

  it("a program that is not installed is named with Debian's package", () => {
    const hide = "mount --bind /dev/null $(command -v bird) && mount --bind /dev/null $(command -v kubectl)";
    const { status, stderr } = trial.labAfter(hide, ...up());
    expect(stderr).toBe(
      "lab: the lab needs bird (Debian package bird2), kubectl (Debian package kubernetes-client); " +
        "as root: apt-get install --no-install-recommends bird2 kubernetes-client\n",
    );
    expect(status).toBe(1);
    expect(trial.leftovers()).toEqual([]);
  });

  it("two starts at once: one is told who else is at it, and the other's lab runs", async () => {
    const first = trial.start(...up());
    await until("the claim", () => existsSync(join(trial.out, "starting.json")));
    // It keeps its claim until it is let go on.
    process.kill(first.pid!, "SIGSTOP");
    const second = trial.lab(...up());
    process.kill(first.pid!, "SIGCONT");
    expect(second.stderr).toBe(
      `lab: a lab is being started here (process ${first.pid}); wait for it, or set FAIRLEAD_LAB_OUT to another directory\n`,
    );
    expect(second.status).toBe(1);
    await once(first, "exit");
    expect(first.exitCode).toBe(0);
    expect(trial.lab(...up()).stderr).toMatch(/^lab: the lab runs already \(process \d+\)/);
    expect(trial.lab("down").status).toBe(0);
    expect(trial.leftovers()).toEqual([]);
  });

  it.each([
    ["status"],
    ["exec", "node1", "--", "true"],
    ["kubectl", "get", "nodes"],
    ["migrate", "vm1"],
    ["console", "vm1"],
    ["kill", "node1/bird"],
    ["restart", "node1/bird"],
    ["stop", "node1/bird"],
  ])("%s without a lab says how to start one", (...command) => {
    const { status, stdout, stderr } = trial.lab(...command);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toBe("lab: the lab does not run; start it with: pnpm lab up\n");
  });

  it("the log of a lab that ended stays to be read", () => {
    expect(trial.lab(...run("true")).status).toBe(0);
    expect(statSync(join(trial.out, "logs", "lab.log")).isFile()).toBe(true);
    expect(trial.leftovers()).toEqual([]);
  });
});
