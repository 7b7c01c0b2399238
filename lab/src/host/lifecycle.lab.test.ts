/** One lab with one VM, and what a user does with it on the command line. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LabStatus } from "../control/protocol.ts";
import { virtualMachine } from "../experiment/virtual-machine.ts";
import { defaultTopology } from "../first/paths.ts";
import { labCommand, Trial, until } from "./trial.ts";

const trial = new Trial();
const kubectl = (...args: string[]) => trial.lab("kubectl", ...args);

const vm = virtualMachine("vm1");

let started: ReturnType<Trial["lab"]>;
beforeAll(() => {
  started = trial.lab("up", "--json", "--topology", defaultTopology);
});
afterAll(() => trial.end());

it("up says in JSON what runs, and nothing else", () => {
  expect(started.stderr).toBe("");
  const { seconds, steps, status }: { seconds: number; steps: object; status: LabStatus } = JSON.parse(
    started.stdout,
  );
  expect(seconds).toBeGreaterThan(0);
  expect(Object.keys(steps)).toEqual(
    expect.arrayContaining(["machines and links", "workers", "BGP sessions"]),
  );
  expect(status.nodes.map(({ name, role }) => `${name} ${role}`)).toEqual([
    "node1 worker",
    "node2 worker",
    "node3 worker",
    "tor router",
    "client client",
  ]);
});

it("status says in JSON that every program runs and none had to be started again", () => {
  const status: LabStatus = JSON.parse(trial.lab("status", "--json").stdout);
  expect(status.remarks).toEqual([]);
  expect(status.memory).toBeGreaterThan(0);
  const others = status.processes.filter(({ state, restarts }) => state !== "running" || restarts > 0);
  expect(others).toEqual([]);
});

it("exec runs a command on a machine, and its status is ours", () => {
  expect(trial.lab("exec", "node2", "--", "hostname").stdout).toBe("node2\n");
  expect(trial.lab("exec", "tor", "--", "sh", "-c", "exit 7").status).toBe(7);
  const unknown = trial.lab("exec", "node9", "--", "true");
  expect(unknown.stderr).toBe("lab: there is no node node9; there are: node1, node2, node3, tor, client\n");
  expect(unknown.status).toBe(1);
});

it("migrate moves a VM to the node that was asked for, and says so in JSON", async () => {
  const file = join(trial.out, "vm.json");
  writeFileSync(file, JSON.stringify(vm));
  expect(kubectl("create", "-f", file).stderr).toBe("");
  const phase = ["get", "vmi", "vm1", "-o", "jsonpath={.status.phase} {.status.nodeName}"];
  await until("the VM's start", () => kubectl(...phase).stdout.startsWith("Running "), 120_000);
  const from = kubectl(...phase).stdout.split(" ")[1];
  const to = from === "node3" ? "node1" : "node3";
  const moved = trial.lab("migrate", "vm1", "--to", to, "--json");
  expect(moved.stderr).toBe("");
  expect(JSON.parse(moved.stdout)).toMatchObject({ phase: "Succeeded", node: to });
  expect(moved.status).toBe(0);

  for (const [args, says] of [
    [["vm1", "--to", to], `VM default/vm1 runs on ${to} already; `],
    [["vm1", "--to", "node9"], "there is no node node9; there are: node1, node2, node3"],
    [["vm2", "--json"], "there is no VM default/vm2; in namespace default there are: vm1"],
    [["elsewhere/vm1"], "there is no VM elsewhere/vm1; in namespace elsewhere there are: none"],
  ] as const) {
    const refused = trial.lab("migrate", ...args);
    expect([refused.status, refused.stdout]).toEqual([1, ""]);
    expect(refused.stderr).toMatch(new RegExp(`^lab: ${says}`));
  }
});

it("a process that the lab does not have is named, with those that it has", () => {
  for (const command of ["kill", "pause", "resume", "restart", "stop"]) {
    const { status, stderr } = trial.lab(command, "node1/nothing");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^lab: there is no process node1\/nothing; there are: .*node1\/fairlead-node/);
  }
});

it("pause lets a process stand still, and resume lets the same one go on", async () => {
  const find = () => {
    const { processes }: LabStatus = JSON.parse(trial.lab("status", "--json").stdout);
    return processes.find(({ name }) => name === "virt-controller")!;
  };
  const { pid } = find();
  const state = () => trial.lab("exec", "node1", "--", "grep", "State", `/proc/${pid}/status`).stdout;
  expect(JSON.parse(trial.lab("pause", "virt-controller", "--json").stdout)).toEqual({ pid });
  await until("it to stand still", () => state().includes("T (stopped)"));
  trial.lab("resume", "virt-controller");
  await until("it to go on", () => !state().includes("T (stopped)"));
  expect(find()).toMatchObject({ pid, state: "running", restarts: 0 });
});

it("console of a VM that does not run says so", () => {
  const { status, stderr } = trial.lab("console", "vm2");
  expect(status).toBe(1);
  expect(stderr).toBe("lab: VM default/vm2 does not run; those that do: pnpm lab kubectl get vmi -A\n");
});

it("console is a shell in the guest, until Ctrl-]", async () => {
  const [program, ...args] = labCommand("console", "vm1");
  const console = spawn(program, args, { env: trial.environment, stdio: ["pipe", "pipe", "pipe"] });
  let screen = "";
  let words = "";
  console.stdout.on("data", (text) => {
    screen += text;
  });
  console.stderr.on("data", (text) => {
    words += text;
  });
  const shows = (text: string) =>
    until(`${text} on the screen`, () => {
      if (screen.includes(text)) return true;
      if (console.exitCode === null) return false;
      throw new Error(`lab console has ended with ${console.exitCode}: ${words}`);
    }).catch((cause) => {
      throw new Error(
        `${cause.message}; it shows ${JSON.stringify(screen)}, it says ${JSON.stringify(words)}`,
      );
    });
  // Typed before the guest has answered: it is kept for then.
  console.stdin.write("echo $((6 * 7)) is the answer\n");
  await shows("guest#");
  await shows("42 is the answer");
  console.stdin.write("\x1d");
  await until("the end", () => console.exitCode !== null);
  expect(console.exitCode).toBe(0);
});

it("a topology that cannot be read is named, and nothing starts", () => {
  const wrong = trial.lab("up", "--topology", "/nonexistent.yml");
  expect(wrong.status).toBe(1);
  expect(wrong.stderr).toMatch(/^lab: .*nonexistent\.yml/);
});

it("kill -9 of the first process, with a VM running, leaves nothing on the host", async () => {
  process.kill(trial.state().pid, "SIGKILL");
  await until("its end", () => trial.processes().length === 0);
  expect(trial.lab("down").stdout).toBe("the lab does not run\n");
  expect(trial.leftovers()).toEqual(["file vm.json"]);
});
