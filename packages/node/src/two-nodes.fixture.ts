import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { localPreferenceOf } from "@fairlead/bgp";
import { createFakeBird } from "@fairlead/bgp/fake";
import { createThreadedWiring, openAttachmentFiles, type Timing } from "@fairlead/cni";
import { buildRarp } from "@fairlead/garp/fake";
import { createIpam, createKubernetesFacts, createKubernetesStore } from "@fairlead/ipam";
import { activePodName } from "@fairlead/kubevirt";
import { NetworkNamespace, PacketSocket, RouteSocket } from "@fairlead/netlink";
import { createPolicyEngine } from "@fairlead/policy";
import { createNftablesDataplane } from "@fairlead/policy/nftables";
import { createWorkloadRoutes } from "@fairlead/routes";
import { type Agent, createAgent } from "./agent.ts";
import { createFakeClock } from "./clock.ts";
import { watchedKinds } from "./cluster-watch.ts";
import { openMigrationFiles } from "./migration-files.ts";
import { createNodeEvidence } from "./node-evidence.ts";
import { createReflexes } from "./reflex.ts";
import { createRemarks } from "./remarks.ts";
import { createFakeTimeline } from "./timeline.ts";

/** Agents of two nodes over one API server in memory; everything else is real, each node in a namespace of its own. */
export interface TwoNodes extends AsyncDisposable {
  readonly cluster: FakeCluster;
  readonly clock: ReturnType<typeof createFakeClock>;
  readonly a: TestNode;
  readonly b: TestNode;
}

export interface TestNode {
  readonly name: string;
  readonly agent: Agent;
  readonly timeline: ReturnType<typeof createFakeTimeline>;
  readonly statusDir: string;
  /** Of every ADD so far. */
  readonly timings: readonly Timing[];
  /** The namespace of a pod, made on first use: its path. */
  namespaceOf(pod: string): string;
  /** Ends the agent without telling anybody. */
  kill(): Promise<void>;
  /** The same, if it still runs, and starts a new one over the same files and kernel, or over what `meanwhile` leaves. */
  restart(meanwhile?: (stateDirectory: string) => void): Promise<void>;
  /** What the running agent has to say although it is ready. */
  remarks(): readonly string[];
  /** From now on the node's BIRD hears these routes from another node, and no others. */
  routesElsewhere(destinations: readonly string[], metric: number): void;
  add(
    pod: string,
    overrides?: object,
  ): Promise<{ exitCode: number; body: Record<string, unknown> | undefined }>;
  del(pod: string): Promise<{ exitCode: number; body: Record<string, unknown> | undefined }>;
  check(pod: string): Promise<{ exitCode: number; body: Record<string, unknown> | undefined }>;
  /** `destination metric` of every workload route in the kernel. */
  routes(): readonly string[];
  /** Names of the host-side interfaces. */
  links(): readonly string[];
  /** The guest in a pod announces itself as QEMU does. */
  announce(pod: string, mac: string): void;
}

const conf = {
  cniVersion: "1.1.0",
  name: "k8s-pod-network",
  type: "calico",
  ipam: { type: "calico-ipam", assign_ipv4: "true", assign_ipv6: "true" },
  policy_setup_timeout_seconds: 10,
};

export async function startTwoNodes(): Promise<TwoNodes> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-nodes-"));
  const cluster = new FakeCluster();
  const clock = createFakeClock(Date.parse("2026-01-01T00:00:00Z"));
  const resources = new AsyncDisposableStack();
  resources.defer(() => rmSync(directory, { recursive: true, force: true }));
  cluster.put(kinds.Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  for (const [name, cidr] of [
    ["four", "10.244.0.0/16"],
    ["six", "fd00:10:244::/64"],
  ] as const)
    cluster.put(kinds.IPPool, {
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name },
      spec: { cidr },
    });
  const start = async (name: string) => {
    cluster.put(kinds.Node, { apiVersion: "v1", kind: "Node", metadata: { name } });
    return resources.use(await startNode(name, join(directory, name), cluster, clock));
  };
  const a = await start("node-a");
  const b = await start("node-b");
  return { cluster, clock, a, b, [Symbol.asyncDispose]: () => resources.disposeAsync() };
}

const unexpected = (error: unknown) => {
  throw error;
};

async function startNode(
  name: string,
  directory: string,
  cluster: FakeCluster,
  clock: TwoNodes["clock"],
): Promise<TestNode & AsyncDisposable> {
  mkdirSync(directory, { recursive: true });
  const netns = NetworkNamespace.create();
  const route = RouteSocket.open({ netns });
  const pods = new Map<string, string>();
  const timings: Timing[] = [];
  const statusDir = join(directory, "status");
  let timeline = createFakeTimeline();
  const stateDirectory = join(directory, "state");
  let remarks = createRemarks({ log: { info() {}, warn() {} } });
  const bird = createFakeBird();
  let running: { agent: Agent; stop: () => Promise<void> } = await launch();

  async function launch() {
    const client = cluster.client();
    const view = createClusterView({ client, kinds: watchedKinds });
    const ipam = createIpam({
      store: createKubernetesStore({ client }),
      facts: createKubernetesFacts(client, { guestPodOf: activePodName }),
      settingsMaxAgeMs: 0,
    });
    const policy = createPolicyEngine({ dataplane: createNftablesDataplane({ netns }), nodeName: name });
    const wiring = createThreadedWiring({ node: netns });
    const reflexes = createReflexes();
    timeline = createFakeTimeline();
    remarks = createRemarks({ log: { info() {}, warn() {} } });
    const agent = createAgent({
      nodeName: name,
      client,
      view,
      workloads: ipam.workloads,
      policy,
      routes: createWorkloadRoutes({ route }),
      reflexes,
      netns,
      bird,
      wiring,
      attachments: openAttachmentFiles(join(stateDirectory, "attachments")),
      memory: openMigrationFiles(join(stateDirectory, "migrations")),
      evidence: createNodeEvidence({ route, client, statusDir, onError: unexpected }),
      remarks,
      timeline,
      clock,
      log: {
        info: (fields) => "timing" in fields && timings.push(fields.timing as Timing),
        warn() {},
        error() {},
      },
      readMtu: () => undefined,
    });
    await agent.start(AbortSignal.timeout(20_000));
    const stop = async () => {
      await agent[Symbol.asyncDispose]();
      await view.close();
      await policy.close();
      await wiring[Symbol.asyncDispose]();
      reflexes[Symbol.dispose]();
    };
    let stopped: Promise<void> | undefined;
    return { agent, stop: () => (stopped ??= stop()) };
  }

  function namespaceOf(pod: string): string {
    const known = pods.get(pod);
    if (known) return known;
    const path = join(directory, `netns-${pod}`);
    NetworkNamespace.createAt(path).close();
    pods.set(pod, path);
    return path;
  }

  async function call(command: string, pod: string, overrides: object = {}) {
    const answer = await running.agent.cni.handle({
      environment: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: `container-${pod}`,
        CNI_NETNS: namespaceOf(pod),
        CNI_IFNAME: "eth0",
        CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_UID=uid-${pod}`,
        CNI_PLUGIN: "calico",
      },
      config: JSON.stringify({ ...conf, endpoint_status_dir: statusDir, ...overrides }),
      startedAt: process.hrtime.bigint(),
    });
    return { exitCode: answer.exitCode, body: answer.stdout === "" ? undefined : JSON.parse(answer.stdout) };
  }

  return {
    name,
    statusDir,
    timings,
    namespaceOf,
    get agent() {
      return running.agent;
    },
    get timeline() {
      return timeline;
    },
    kill: () => running.stop(),
    routesElsewhere(destinations, metric) {
      bird.table = destinations.map((network) => ({
        network,
        primary: false,
        protocol: "bgp_tor",
        source: "BGP",
        preference: 200,
        localPreference: localPreferenceOf(metric),
        communities: [],
      }));
    },
    remarks: () => remarks.list(),
    async restart(meanwhile = () => {}) {
      await running.stop();
      meanwhile(stateDirectory);
      running = await launch();
    },
    add: (pod, overrides) => call("ADD", pod, overrides),
    del: (pod) => call("DEL", pod),
    check: (pod) => call("CHECK", pod),
    routes: () =>
      route.routes
        .list({ table: 254, protocol: 80 })
        .map(({ destination, metric }) => `${destination} ${metric}`)
        .sort(),
    links: () =>
      route.links
        .list()
        .map((link) => link.name)
        .filter((link) => link.startsWith("cali")),
    announce(pod, mac) {
      using inside = NetworkNamespace.open(namespaceOf(pod));
      using links = RouteSocket.open({ netns: inside });
      const linkIndex = links.links.get("eth0")?.index ?? 0;
      using socket = PacketSocket.open({ netns: inside, linkIndex });
      socket.send(buildRarp(mac));
    },
    async [Symbol.asyncDispose]() {
      await running.stop();
      route.close();
      for (const path of pods.values()) NetworkNamespace.remove(path);
      netns.close();
    },
  };
}
