import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type ApiClient, createApiClient, kinds, ownCrds } from "@fairlead/api";
import { NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { type ApiServer, startApiServer } from "../../apiserver/index.ts";
import { run } from "../../command.ts";
import { compileCache, workspace } from "../../first/paths.ts";
import { ResultsCache } from "../cni/cache.ts";
import { type NetworkList, parseNetworkList } from "../cni/conflist.ts";
import { type AttachmentRequest, CniNetwork } from "../cni/network.ts";
import type { Armed } from "./effects.ts";

const node = "n1";
const address = { ipv4: "10.10.1.2", ipv6: "fd00:10:1::2" } as const;

/** Everything an attachment leaves somewhere, by place. */
export interface Traces {
  readonly hostLinks: readonly string[];
  readonly podAddresses: readonly string[];
  readonly routes: readonly string[];
  /** Whether the firewall names a workload interface. */
  readonly policy: boolean;
  readonly allocations: number;
  readonly handles: number;
  readonly attachments: number;
  readonly statusFiles: number;
  readonly results: number;
}

export const nothing: Traces = {
  hostLinks: [],
  podAddresses: [],
  routes: [],
  policy: false,
  allocations: 0,
  handles: 0,
  attachments: 0,
  statusFiles: 0,
  results: 0,
};

/**
 * One node with a real API server, the real agent program in a process and a network namespace of its own, the real messenger, and a runtime that calls
 * it as libcni does. The agent can be told at which of its effects it dies.
 */
export class NodeUnderFire implements AsyncDisposable {
  readonly #directory = mkdtempSync(join(tmpdir(), "fairlead-killed-"));
  readonly #resources = new AsyncDisposableStack();
  readonly #netns: NetworkNamespace;
  readonly #client: ApiClient;
  readonly #runtime: CniNetwork;
  readonly #list: NetworkList;
  readonly #podNamespaces = new Map<string, string>();
  #agent: ChildProcess | undefined;

  static async start(): Promise<NodeUnderFire> {
    const server = await startApiServer();
    const world = new NodeUnderFire(server);
    try {
      world.#forward(server.port);
      await world.#fill();
      await world.startAgent();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(server: ApiServer) {
    const directory = this.#directory;
    // After the agent, whose watches would keep it.
    this.#resources.defer(() => server.close());
    this.#resources.defer(() => rmSync(directory, { recursive: true, force: true }));
    for (const name of ["pods", "effects", "bin"]) mkdirSync(join(directory, name));
    writeFileSync(join(directory, "kubeconfig"), server.adminKubeconfig, { mode: 0o600 });
    this.#netns = NetworkNamespace.createAt(join(directory, "node"));
    this.#resources.defer(() => {
      this.#netns.close();
      for (const path of [...this.#podNamespaces.values(), join(directory, "node")])
        NetworkNamespace.remove(path);
    });
    using route = RouteSocket.open({ netns: this.#netns });
    route.links.set(1, { up: true });
    this.#client = createApiClient({ kubeconfig: join(directory, "kubeconfig") });
    this.#resources.defer(() => this.#client.close());
    this.#resources.defer(() => this.killAgent());
    this.#list = parseNetworkList(
      JSON.stringify({
        name: "k8s-pod-network",
        cniVersion: "1.0.0",
        plugins: [
          {
            type: "calico",
            ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" },
            policy_setup_timeout_seconds: 30,
            endpoint_status_dir: join(directory, "status"),
          },
        ],
      }),
      "test",
    );
    const runner = { pluginDirectories: [join(directory, "bin")], timeout: 60_000 };
    this.#runtime = new CniNetwork(runner, new ResultsCache(join(directory, "results")));
  }

  get socketPath(): string {
    return join(this.#directory, "run", "cni.sock");
  }

  /** The API server lives outside; the node's namespace reaches it under the address of the kubeconfig. */
  #forward(port: number): void {
    const forwarder = createServer((inside) => {
      const outside = connect(port, "127.0.0.1");
      for (const socket of [inside, outside]) socket.on("error", () => {});
      inside.on("close", () => outside.destroy()).pipe(outside);
      outside.on("close", () => inside.destroy()).pipe(inside);
    });
    // Without a host name to look up, the socket is bound before this returns, and so in the namespace.
    this.#netns.run(() => forwarder.listen(port));
    this.#resources.defer(() => void forwarder.close());
  }

  async #fill(): Promise<void> {
    const client = this.#client;
    for (const crd of ownCrds()) await client.create(kinds.CustomResourceDefinition, crd);
    const create = async () => {
      for (const [name, cidr] of [
        ["four", "10.244.0.0/16"],
        ["six", "fd00:10:244::/64"],
      ] as const)
        await client.create(kinds.IPPool, { metadata: { name }, spec: { cidr } });
    };
    // A new kind is served a moment after its definition.
    await eventually("IPPool", () =>
      create().then(
        () => true,
        () => false,
      ),
    );
    await client.create(kinds.Node, { metadata: { name: node } });
    const addresses = Object.values(address).map((one) => ({ type: "InternalIP" as const, address: one }));
    await client.patch(
      kinds.Node,
      { name: node },
      { status: { addresses } },
      { type: "merge", subresource: "status" },
    );
  }

  async pod(name: string): Promise<void> {
    await this.#client.create(kinds.Pod, {
      metadata: { name, namespace: "default" },
      spec: { nodeName: node, containers: [{ name: "main", image: "none" }] },
    });
  }

  async startAgent(): Promise<void> {
    const at = (...names: string[]) => join(this.#directory, ...names);
    rmSync(at("effects"), { recursive: true });
    mkdirSync(at("effects"));
    const preload = join(import.meta.dirname, "effects.preload.ts");
    const path = at("agent.log");
    const log = openSync(path, "a");
    const argv = [
      ...[`--net=${at("node")}`, "--", process.execPath],
      ...[join(workspace, "packages/node/src/main.ts"), "--node-name", node],
      ...["--kubeconfig", at("kubeconfig"), "--run-dir", at("run"), "--state-dir", at("state")],
      ...["--cni-bin-dir", at("bin"), "--cni-conf-dir", "", "--health-port", "0"],
    ];
    const logged = readFileSync(path, "utf8").length;
    this.#agent = spawn("nsenter", argv, {
      stdio: ["ignore", log, log],
      env: {
        ...process.env,
        NODE_OPTIONS: `--import ${preload}`,
        NODE_COMPILE_CACHE: compileCache,
        FAIRLEAD_EFFECTS: at("effects"),
      },
    });
    closeSync(log);
    await eventually("the agent", () => readFileSync(path, "utf8").slice(logged).includes('"agent started"'));
  }

  arm(armed: Armed): void {
    rmSync(join(this.#directory, "effects", "reached"), { force: true });
    writeFileSync(join(this.#directory, "effects", "armed"), JSON.stringify(armed));
  }

  disarm(): void {
    rmSync(join(this.#directory, "effects", "armed"), { force: true });
  }

  /** Waits until the agent stands before the effect at which it is to wait. */
  stalled(): Promise<void> {
    return eventually("the effect", () => existsSync(join(this.#directory, "effects", "reached")));
  }

  /** Waits until the agent has killed itself, and starts it again. */
  agentDied(): Promise<void> {
    return this.#agentEnded("SIGKILL");
  }

  /** Waits until the agent has ended because it was told to, and starts it again. */
  agentLeft(): Promise<void> {
    return this.#agentEnded(0);
  }

  terminateAgent(): void {
    this.#agent!.kill("SIGTERM");
  }

  async #agentEnded(expected: number | NodeJS.Signals): Promise<void> {
    const agent = this.#agent!;
    await eventually("the agent's end", () => agent.signalCode !== null || agent.exitCode !== null);
    const end = agent.exitCode ?? agent.signalCode;
    if (end !== expected) throw new Error(`the agent ended with ${end}`);
    await this.startAgent();
  }

  async killAgent(): Promise<void> {
    const agent = this.#agent;
    if (!agent || agent.signalCode !== null || agent.exitCode !== null) return;
    const gone = once(agent, "exit");
    agent.kill("SIGKILL");
    await gone;
  }

  /** Everything the agent has done since it started, in order. */
  effects(): readonly string[] {
    return readFileSync(join(this.#directory, "effects", "effects"), "utf8")
      .trim()
      .split("\n");
  }

  /** Addresses of both families, as the runtime hears of them. */
  async add(pod: string, sandbox = pod): Promise<readonly string[]> {
    const result = await this.#runtime.add(this.#list, this.#request(pod, sandbox));
    return (result.ips as { address: string }[]).map((ip) => ip.address);
  }

  del(pod: string, sandbox = pod): Promise<void> {
    return this.#runtime.del(this.#list, this.#request(pod, sandbox));
  }

  /** The runtime was killed before it wrote down what ADD had said. */
  forgetResults(): void {
    rmSync(join(this.#directory, "results"), { recursive: true });
  }

  #request(pod: string, sandbox: string): AttachmentRequest {
    const known = this.#podNamespaces.get(sandbox);
    const netns = known ?? join(this.#directory, "pods", sandbox);
    if (known === undefined) {
      NetworkNamespace.createAt(netns).close();
      this.#podNamespaces.set(sandbox, netns);
    }
    const args = [
      ["K8S_POD_NAMESPACE", "default"],
      ["K8S_POD_NAME", pod],
    ] as const;
    return { containerId: sandbox, netns, ifName: "eth0", args };
  }

  async traces(): Promise<Traces> {
    const files = (...names: string[]) => {
      const path = join(this.#directory, ...names);
      // What a VM's address leaves behind is meant to stay.
      return existsSync(path) ? readdirSync(path).filter((name) => !name.endsWith(".inherited")).length : 0;
    };
    using route = RouteSocket.open({ netns: this.#netns });
    const ruleset = await run([
      "nsenter",
      `--net=${join(this.#directory, "node")}`,
      "nft",
      "list",
      "ruleset",
    ]);
    const [blocks, handles] = await Promise.all([
      this.#client.list(kinds.IPAMBlock),
      this.#client.list(kinds.IPAMHandle),
    ]);
    return {
      hostLinks: route.links
        .list()
        .map(({ name }) => name)
        .filter((name) => name.startsWith("cali")),
      podAddresses: [...this.#podNamespaces.values()].flatMap(addressesIn).sort(),
      routes: route.routes
        .list({ table: 254, protocol: 80 })
        .map(({ destination, metric }) => `${destination} ${metric}`)
        .sort(),
      policy: /"cali[0-9a-f]{11}"/.test(ruleset),
      allocations: blocks.items.flatMap(({ spec }) => spec.allocations.filter((one) => one !== null)).length,
      handles: handles.items.length,
      attachments: files("state", "attachments"),
      statusFiles: files("status"),
      results: files("results"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function addressesIn(path: string): string[] {
  using netns = NetworkNamespace.open(path);
  using route = RouteSocket.open({ netns });
  const link = route.links.get("eth0");
  if (!link) return [];
  return route.addresses
    .list({ linkIndex: link.index })
    .map((one) => one.address)
    .filter((one) => !one.startsWith("fe80:"));
}

/** Waits for a condition. */
async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patience = 60_000,
): Promise<void> {
  const deadline = Date.now() + patience;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`${what} did not come within ${patience / 1000} s`);
    await delay(10);
  }
}
