import { hostname } from "node:os";
import { handleObjectsSettings } from "@fairlead/ipam";
import { Command, InvalidArgumentError, Option } from "commander";

/** How the agent was started. Every option has an environment variable; the option wins. */
export interface AgentOptions {
  readonly nodeName: string;
  /** Absent: the pod's service account. */
  readonly kubeconfig?: string;
  /** Sockets and the timeline; does not survive a reboot. */
  readonly runDir: string;
  /** Attachments, migrations, BIRD's configuration. */
  readonly stateDir: string;
  readonly logLevel: string;
  /** Port of /readiness, /liveness and /metrics; 0 chooses a free one. */
  readonly healthPort: number;
  readonly healthHost: string;
  /** Where to install the messenger, and the network configuration if there is none; empty: nowhere. */
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  /** Which pods get IPAMHandle objects, which the incumbent looks them up by. */
  readonly handleObjects: (typeof handleObjectsSettings)[number];
}

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

function port(text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= 0 && value <= 65535) return value;
  throw new InvalidArgumentError("a port is a number from 0 to 65535.");
}

const describe = (flags: string, text: string, environment: string) =>
  new Option(flags, text).env(environment);

/** Reads arguments and environment. Prints help or a mistake and ends the process, as commander does. */
export function readOptions(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv = process.env,
): AgentOptions {
  const program = new Command("fairlead-node")
    .description("The Fairlead agent of one node")
    .addOption(
      describe("--node-name <name>", "name of this node's Node object", "NODENAME").default(
        environment.KUBERNETES_NODE_NAME || hostname().toLowerCase(),
        "KUBERNETES_NODE_NAME or the host's name",
      ),
    )
    .addOption(
      describe(
        "--kubeconfig <file>",
        "how to reach the API server; default: the service account",
        "KUBECONFIG",
      ),
    )
    .addOption(
      describe("--run-dir <dir>", "sockets and timeline", "FAIRLEAD_RUN_DIR").default("/run/fairlead"),
    )
    .addOption(
      describe("--state-dir <dir>", "what must survive a restart", "FAIRLEAD_STATE_DIR").default(
        "/var/lib/fairlead",
      ),
    )
    .addOption(
      describe("--log-level <level>", "least level to log", "FAIRLEAD_LOG_LEVEL")
        .choices(logLevels)
        .default("info"),
    )
    .addOption(
      describe("--health-port <port>", "port of /readiness, /liveness, /metrics", "FAIRLEAD_HEALTH_PORT")
        .argParser(port)
        .default(9099),
    )
    .addOption(
      describe("--health-host <address>", "address to listen on for it", "FAIRLEAD_HEALTH_HOST").default(
        "localhost",
      ),
    )
    .addOption(
      describe("--cni-bin-dir <dir>", "install the CNI messenger there", "FAIRLEAD_CNI_BIN_DIR").default(
        "/opt/cni/bin",
      ),
    )
    .addOption(
      describe(
        "--cni-conf-dir <dir>",
        "install the network configuration there",
        "FAIRLEAD_CNI_CONF_DIR",
      ).default("/etc/cni/net.d"),
    )
    .addOption(
      describe(
        "--handle-objects <which>",
        "write an IPAMHandle object for every pod; auto: while the incumbent's agents run in the cluster",
        "FAIRLEAD_HANDLE_OBJECTS",
      )
        .choices(handleObjectsSettings)
        .default("auto"),
    );
  return program.parse(argv, { from: "user" }).opts<AgentOptions>();
}
