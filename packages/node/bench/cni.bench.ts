import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { kinds } from "@fairlead/api";
import type { FakeCluster } from "@fairlead/api/fake";
import { buildMessenger, type Part, parts, serveCni } from "@fairlead/cni";
import { NetworkNamespace, RouteSocket } from "@fairlead/netlink";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { NftablesSocket } from "../../policy/src/nftables/socket.ts";
import { startTwoNodes } from "../src/two-nodes.fixture.ts";
import { putPod } from "../src/virtual-machine.fixture.ts";

const count = 40;

/**
 * ADD as a runtime sees it: from starting the messenger to its end, one after another, against an agent whose API server is in memory and whose
 * kernel is real. The calls are made by another process, so that starting a process does not hold up the agent.
 */
export default async function benchmark(bench: Bench): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "fairlead-bench-"));
  await using nodes = await startTwoNodes();
  const socketPath = join(directory, "cni.sock");
  await using _ = await serveCni({ cni: nodes.a.agent.cni, socketPath });
  const pods = Array.from({ length: count }, (_, i) => `web-${i}`);
  for (const pod of pods) putPod(nodes.cluster, pod, "node-a");
  const calls = (command: string) =>
    pods.map((pod) => ({
      CNI_COMMAND: command,
      CNI_CONTAINERID: `container-${pod}`,
      CNI_NETNS: nodes.a.namespaceOf(pod),
      CNI_IFNAME: "eth0",
      CNI_ARGS: `K8S_POD_NAMESPACE=default;K8S_POD_NAME=${pod};K8S_POD_UID=uid-${pod}`,
      FAIRLEAD_CNI_SOCKET: socketPath,
    }));
  try {
    const messenger = await run(calls("VERSION"), directory);
    const add = await run(calls("ADD"), directory);
    const del = await run(calls("DEL"), directory);
    const veth = createVeths();
    const floor = (q: number) => ({
      name: "messenger alone + a bare veth",
      value: quantile(messenger, q) + quantile(veth, q),
    });
    for (const [name, samples] of [
      ["ADD", add],
      ["DEL", del],
    ] as const)
      for (const q of [0.5, 0.99])
        bench.report({
          name: `CNI ${name}, whole process, p${q * 100}`,
          value: quantile(samples, q),
          unit: "ms",
          floor: floor(q),
        });
    bench.say("where the time of ADD goes, as the agent counts it (policy runs beside the annotation)");
    const floors: Record<Part, readonly [name: string, samples: readonly number[]]> = {
      messenger: ["a byte there and back over a unix socket", await roundTrips(directory)],
      identity: ["one read from the API server in memory", await readPods(nodes.cluster, pods)],
      ipam: ["two writes to the API server in memory", await writeTwice(nodes.cluster)],
      wiring: ["a bare veth", veth],
      policy: ["one question to nf_tables", askNftables()],
      total: ["messenger alone + a bare veth", messenger.map((sample, i) => sample + veth[i]!)],
    };
    for (const part of parts)
      for (const q of [0.5, 0.99]) {
        const [name, samples] = floors[part];
        bench.report({
          name: `ADD ${part} p${q * 100}`,
          value: quantile(
            nodes.a.timings.map((timing) => timing[part]),
            q,
          ),
          unit: "ms",
          floor: { name, value: quantile(samples, q) },
        });
      }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Starts the messenger once for each environment; milliseconds of each. @throws when a call fails */
async function run(environments: readonly object[], directory: string): Promise<number[]> {
  const config = {
    cniVersion: "1.1.0",
    name: "k8s-pod-network",
    type: "calico",
    ipam: { type: "calico-ipam", assign_ipv6: "true" },
    endpoint_status_dir: join(directory, "status"),
  };
  const script = `
    const { spawnSync } = require("node:child_process");
    const [program, environments, input] = JSON.parse(process.argv[1]);
    const samples = environments.map((env) => {
      const from = process.hrtime.bigint();
      const { status, stdout } = spawnSync(program, { env, input });
      if (status !== 0) throw new Error(String(stdout));
      return Number(process.hrtime.bigint() - from) / 1e6;
    });
    console.log(JSON.stringify(samples));`;
  const argument = JSON.stringify([buildMessenger(), environments, JSON.stringify(config)]);
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", script, argument]);
  return JSON.parse(stdout);
}

/** Milliseconds of each call. */
async function timed(calls: readonly (() => unknown)[]): Promise<number[]> {
  const samples: number[] = [];
  for (const call of calls) {
    const from = process.hrtime.bigint();
    await call();
    samples.push(Number(process.hrtime.bigint() - from) / 1e6);
  }
  return samples;
}

function readPods(cluster: FakeCluster, pods: readonly string[]): Promise<number[]> {
  const client = cluster.client();
  return timed(pods.map((name) => () => client.get(kinds.Pod, { namespace: "default", name })));
}

/** One object for each family's block, made and changed at the least. */
function writeTwice(cluster: FakeCluster): Promise<number[]> {
  const client = cluster.client();
  return timed(
    Array.from({ length: count }, (_, i) => async () => {
      const made = await client.create(kinds.Namespace, { metadata: { name: `bench-${i}` } });
      await client.replace(kinds.Namespace, {
        ...made,
        metadata: { ...made.metadata, labels: { bench: "yes" } },
      });
    }),
  );
}

async function roundTrips(directory: string): Promise<number[]> {
  const path = join(directory, "echo.sock");
  const server = createServer((socket) => socket.pipe(socket)).listen(path);
  await once(server, "listening");
  const samples = await timed(
    Array.from({ length: count }, () => async () => {
      const socket = connect(path);
      socket.write("x");
      await once(socket, "data");
      socket.destroy();
    }),
  );
  server.close();
  return samples;
}

function askNftables(): number[] {
  using netns = NetworkNamespace.create();
  using socket = NftablesSocket.open({ netns });
  return Array.from({ length: count }, () => {
    const from = process.hrtime.bigint();
    socket.generation();
    return Number(process.hrtime.bigint() - from) / 1e6;
  });
}

/** What the kernel alone needs for a pair between two namespaces: create it, set both ends up. Milliseconds. */
function createVeths(): number[] {
  using node = NetworkNamespace.create();
  using host = RouteSocket.open({ netns: node });
  return Array.from({ length: count }, (_, i) => {
    using netns = NetworkNamespace.create();
    using pod = RouteSocket.open({ netns });
    const from = process.hrtime.bigint();
    const link = host.links.add({
      kind: "veth",
      name: `v${i}`,
      up: true,
      peer: { name: "eth0", netns, up: true },
    });
    const took = Number(process.hrtime.bigint() - from) / 1e6;
    pod.links.get("eth0");
    host.links.delete(link.index);
    return took;
  });
}
