import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { NetworkNamespace, RouteSocket } from "@fairlead/netlink";

/** The agent of one node as a process of its own, in a network namespace of its own, and a container runtime beside it. */
export interface AgentProcess extends AsyncDisposable {
  readonly nodeName: string;
  /** Runs a plug-in as the runtime does: a process, its environment, the configuration on stdin, the result on stdout. */
  run(plugin: string, command: string, pod?: RuntimePod): Promise<PluginAnswer>;
  /** Destinations of the workload routes in the node's kernel. */
  routes(): readonly string[];
}

/** What the runtime knows of a pod. */
export interface RuntimePod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface PluginAnswer {
  readonly exitCode: number;
  /** Undefined when nothing was printed. */
  readonly body: Record<string, unknown> | undefined;
}

export interface AgentProcessOptions {
  readonly nodeName: string;
  /** Of an API server on this machine's 127.0.0.1. */
  readonly kubeconfig: string;
  readonly apiPort: number;
  /** For sockets, files and logs. */
  readonly directory: string;
  /** The network configuration, without the status directory. */
  readonly config: object;
}

/** Resolves when the plug-in says that it is ready (STATUS). */
export async function startAgentProcess(options: AgentProcessOptions): Promise<AgentProcess> {
  const { nodeName, kubeconfig, apiPort, directory } = options;
  const [runDir, binDir] = [join(directory, "run"), join(directory, "bin")];
  mkdirSync(directory, { recursive: true });
  await using started = new AsyncDisposableStack();
  const netns = started.use(NetworkNamespace.create());
  const route = started.use(RouteSocket.open({ netns }));
  route.links.set("lo", { up: true });
  started.use(relay(netns, apiPort));
  const pods = new Map<string, string>();
  started.defer(() => {
    for (const path of pods.values()) NetworkNamespace.remove(path);
  });

  const logFile = join(directory, "agent.log");
  const log = openSync(logFile, "w");
  const main = join(import.meta.dirname, "main.ts");
  const agent = spawn(
    "nsenter",
    [`--net=/proc/${process.pid}/fd/${netns.fd}`, process.execPath, main]
      .concat(["--node-name", nodeName, "--kubeconfig", kubeconfig, "--health-port", "0"])
      .concat(["--run-dir", runDir, "--state-dir", join(directory, "state")])
      .concat(["--cni-bin-dir", binDir, "--cni-conf-dir", ""]),
    { stdio: ["ignore", log, log] },
  );
  closeSync(log);
  started.defer(() => stop(agent));

  function namespaceOf({ name }: RuntimePod): string {
    const path = pods.get(name) ?? join(directory, `netns-${name}`);
    if (!pods.has(name)) NetworkNamespace.createAt(path).close();
    pods.set(name, path);
    return path;
  }

  const environmentOf = (pod: RuntimePod) => ({
    CNI_CONTAINERID: containerOf(pod),
    CNI_NETNS: namespaceOf(pod),
    CNI_IFNAME: "eth0",
    CNI_ARGS: [
      "IgnoreUnknown=1",
      `K8S_POD_NAMESPACE=${pod.namespace}`,
      `K8S_POD_NAME=${pod.name}`,
      `K8S_POD_INFRA_CONTAINER_ID=${containerOf(pod)}`,
      `K8S_POD_UID=${pod.uid}`,
    ].join(";"),
  });

  const running: AgentProcess = {
    nodeName,
    async run(plugin, command, pod) {
      const statusDir = join(directory, "status");
      const child = spawn(join(binDir, plugin), {
        env: {
          FAIRLEAD_CNI_SOCKET: join(runDir, "cni.sock"),
          CNI_COMMAND: command,
          CNI_PATH: binDir,
          ...(pod && environmentOf(pod)),
        },
        stdio: ["pipe", "pipe", "inherit"],
      });
      child.stdin.on("error", () => {});
      child.stdin.end(JSON.stringify({ ...options.config, endpoint_status_dir: statusDir }));
      const output: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
      const [exitCode] = (await once(child, "close")) as [number];
      const text = Buffer.concat(output).toString();
      return { exitCode, body: text === "" ? undefined : JSON.parse(text) };
    },
    routes: () =>
      route.routes.list({ table: 254, protocol: 80 }).map(({ destination }) => destination ?? "default"),
    [Symbol.asyncDispose]: async () => {},
  };

  for (const deadline = Date.now() + 80_000; ; await delay(50)) {
    if (agent.exitCode !== null || Date.now() > deadline)
      throw new Error(
        `the agent of ${nodeName} is not ready:\n${readFileSync(logFile, "utf8").slice(-4000)}`,
      );
    const answer = await running.run("calico", "STATUS").catch(() => undefined);
    if (answer?.exitCode === 0) break;
  }
  const resources = started.move();
  return { ...running, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

/** The name a runtime would give the pod's sandbox. */
export const containerOf = ({ uid }: RuntimePod): string => createHash("sha256").update(uid).digest("hex");

/** Lets processes in the namespace reach a port of this machine's 127.0.0.1 under the same address. */
function relay(netns: NetworkNamespace, port: number): AsyncDisposable {
  const server = createServer((inside) => {
    const outside = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      from.pipe(to);
      from.on("error", () => to.destroy());
      from.on("close", () => to.destroy());
    }
  });
  // Without a host the socket is opened before `listen` returns: in the namespace.
  netns.run(() => void server.listen(port));
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => void server.close(() => resolve())) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
