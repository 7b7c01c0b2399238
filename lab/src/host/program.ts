import { spawn } from "node:child_process";
import { join } from "node:path";
import { Command, Option } from "commander";
import { ask } from "../control/client.ts";
import { LabError } from "../error.ts";
import { defaultTopology, inside, workspace } from "../first/paths.ts";
import { printStatus, showProgress } from "./display.ts";
import { interruption } from "./interruption.ts";
import { runInside } from "./run-inside.ts";
import { startLab } from "./start.ts";
import { controlSocketOf, enterLab, requireLab, runningLab } from "./state.ts";
import { stopLab } from "./stop.ts";

export const program = new Command("lab")
  .description("Nodes, routers, a control plane and real virtual machines on one machine")
  .helpCommand(false)
  .enablePositionalOptions();

const json = () => new Option("--json", "print JSON");

program
  .command("up")
  .description("start the lab")
  .option("--topology <file>", "in containerlab's format", defaultTopology)
  .addOption(json())
  .action(
    guarded(async ({ topology, json }: { topology: string; json?: boolean }) => {
      const began = performance.now();
      const steps: Record<string, number> = {};
      const show = json ? undefined : showProgress(process.stderr);
      const state = await startLab({
        topology,
        signal: interruption("the lab was not started"),
        onProgress(event) {
          if (event.event === "finished") steps[event.step] = event.milliseconds;
          show?.(event);
        },
      });
      const seconds = (performance.now() - began) / 1000;
      const status = await ask(controlSocketOf(state), { method: "status" });
      if (json) print({ ...state, seconds, steps, status });
      else {
        const megabytes = Math.round(status.memory / 1e6);
        process.stdout.write(
          `lab ${status.topology} is up after ${seconds.toFixed(1)} s (${megabytes} MB)\n`,
        );
      }
    }),
  );

program
  .command("down")
  .description("end the lab")
  .addOption(json())
  .action(
    guarded(async ({ json }: { json?: boolean }) => {
      const state = await runningLab();
      if (state !== undefined) await stopLab(state);
      if (json) print({ stopped: state !== undefined });
      else process.stdout.write(state === undefined ? "the lab does not run\n" : "the lab is down\n");
    }),
  );

program
  .command("status")
  .description("show machines and processes")
  .addOption(json())
  .action(
    guarded(async ({ json }: { json?: boolean }) => {
      const status = await ask(controlSocketOf(await requireLab()), { method: "status" });
      if (json) print(status);
      else printStatus(status, process.stdout);
    }),
  );

program
  .command("exec")
  .description("run a command on a machine, for example: lab exec node1 -- ip route")
  .argument("<node>")
  .argument("<command...>")
  .passThroughOptions()
  .action(
    guarded(async (node: string, command: string[]) =>
      attach([...(await enterMachine(node)), ...withoutDashes(command)]),
    ),
  );

program
  .command("kubectl")
  .description("run kubectl against the lab's API server")
  .argument("[args...]")
  .allowUnknownOption()
  .helpOption(false)
  .passThroughOptions()
  .action(
    guarded(async (args: string[]) => {
      const lab = await requireLab();
      await attach([
        ...enterLab(lab, process.cwd()),
        "env",
        `KUBECONFIG=${inside.adminKubeconfig}`,
        "kubectl",
        ...args,
      ]);
    }),
  );

program
  .command("console")
  .description("the serial console of a VM: a shell; Ctrl-] leaves it")
  .argument("<vm>", "name, or namespace/name")
  .action(guarded(async (vm: string) => attach(await insideLab("lab/src/kubevirt/console-main.ts", vm))));

program
  .command("migrate")
  .description("live-migrate a VM and wait for the end")
  .argument("<vm>", "name, or namespace/name")
  .option("--to <node>", "otherwise the scheduler chooses")
  .addOption(json())
  .action(
    guarded(async (vm: string, { to, json }: { to?: string; json?: boolean }) => {
      const more = [...(to === undefined ? [] : ["--to", to]), ...(json ? ["--json"] : [])];
      await attach(await insideLab("lab/src/kubevirt/migrate-main.ts", vm, ...more));
    }),
  );

/** The command that runs a program of the workspace inside the lab, as the cluster's administrator. */
async function insideLab(path: string, ...args: string[]): Promise<string[]> {
  const enter = enterLab(await requireLab(), process.cwd());
  return [...enter, process.execPath, join(workspace, path), "--kubeconfig", inside.adminKubeconfig, ...args];
}

program
  .command("run")
  .description("start the lab for one program, run it inside, end the lab")
  .option("--topology <file>", "in containerlab's format", defaultTopology)
  .argument("<command...>")
  .passThroughOptions()
  .action(
    guarded(async (command: string[], { topology }: { topology: string }) => {
      process.exitCode = await runInside(withoutDashes(command), {
        topology,
        workingDirectory: process.cwd(),
        onProgress: showProgress(process.stderr),
      });
    }),
  );

const signals = { kill: "SIGKILL", pause: "SIGSTOP", resume: "SIGCONT" } as const;

for (const [name, description] of [
  ["kill", "kill -9 a process; it is started again"],
  ["pause", "let a process stand still, alive and with its connections, until it is resumed"],
  ["resume", "let a paused process go on"],
  ["restart", "end a process and start it at once"],
  ["stop", "end a process until it is restarted"],
] as const) {
  program
    .command(name)
    .description(description)
    .argument("<process>", "as lab status names it")
    .addOption(json())
    .action(
      guarded(async (target: string, { json }: { json?: boolean }) => {
        const socket = controlSocketOf(await requireLab());
        const answer =
          name === "restart" || name === "stop"
            ? await ask(socket, { method: name, process: target })
            : await ask(socket, { method: "kill", process: target, signal: signals[name] });
        if (json) print(answer);
      }),
    );
}

/** The prefix that runs a program on a machine of the running lab, from the host. */
export async function enterMachine(name: string): Promise<string[]> {
  const lab = await requireLab();
  const { nodes } = await ask(controlSocketOf(lab), { method: "status" });
  const node = nodes.find((n) => n.name === name);
  if (node === undefined)
    throw new LabError(
      "UnknownNode",
      `there is no node ${name}; there are: ${nodes.map((n) => n.name).join(", ")}`,
    );
  const target = ["--target", String(node.pid), "--net", "--mount", "--uts", "--"];
  return [...enterLab(lab), "nsenter", ...target];
}

/** `exec NODE -- CMD`: the dashes only end the options. */
function withoutDashes(command: readonly string[]): readonly string[] {
  return command[0] === "--" ? command.slice(1) : command;
}

/** Runs a command on the user's terminal and ends with its status. */
async function attach(argv: readonly string[]): Promise<void> {
  const [command, ...args] = argv;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawn(command!, args, { stdio: "inherit" });
  // The terminal sends Ctrl-C to the child as well; it decides.
  const ignore = () => {};
  process.on("SIGINT", ignore);
  child.on("error", reject);
  child.on("exit", (status, signal) => {
    process.off("SIGINT", ignore);
    process.exitCode = status ?? (signal === null ? 1 : 128);
    resolve();
  });
  await promise;
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** A user's or the machine's fault is one line and status 1; a bug of ours keeps its stack. */
function guarded<A extends unknown[]>(action: (...args: A) => Promise<void>): (...args: A) => Promise<void> {
  return async (...args) => {
    try {
      await action(...args);
    } catch (error) {
      if (!(error instanceof LabError)) throw error;
      process.stderr.write(`lab: ${error.message}\n`);
      process.exitCode = 1;
    }
  };
}
