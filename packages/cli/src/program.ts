import { basename } from "node:path";
import { Command } from "commander";
import { ipamCommands } from "./ipam-commands.ts";
import { nodeCommands } from "./node-commands.ts";
import { policyCommands } from "./policy-commands.ts";
import type { Session } from "./session.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** The incumbent's configuration file. */
  readonly config?: string;
  readonly runDir: string;
}

/**
 * The command line. `calledAs` is the program's path: under the name `calicoctl` it presents itself by that name; commands, flags and texts are
 * the same.
 */
export function createProgram(calledAs: string, open: (options: GlobalOptions) => Session): Command {
  const name = basename(calledAs).replace(/\.[cm]?[jt]s$/, "");
  const program = new Command(name === "calicoctl" ? name : "fairleadctl")
    .description("Look at and change a Fairlead network")
    .option("--kubeconfig <file>", "how to reach the API server", process.env.KUBECONFIG)
    .option("--context <name>", "context of the kubeconfig")
    .option("-c, --config <file>", "a CalicoAPIConfig that names the kubeconfig")
    .option(
      "--run-dir <dir>",
      "directory of this node's sockets",
      process.env.FAIRLEAD_RUN_DIR ?? "/run/fairlead",
    )
    .option("-l, --log-level <level>", "accepted for compatibility", "panic")
    .option("--allow-version-mismatch", "accepted for compatibility")
    .exitOverride();
  const session = () => open(program.opts<GlobalOptions>());
  program.addCommand(ipamCommands(session));
  program.addCommand(nodeCommands(session));
  program.addCommand(policyCommands(session));
  for (const command of program.commands) quiet(command);
  return program;
}

/** A mistake ends the call by an exception, not the process. */
function quiet(command: Command): void {
  command.exitOverride();
  for (const sub of command.commands) quiet(sub);
}
