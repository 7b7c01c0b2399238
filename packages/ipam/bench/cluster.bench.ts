import { type ApiClient, createApiClient, kinds } from "@fairlead/api";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createIpam, createKubernetesStore, type Family, type WorkloadRequest } from "../src/index.ts";
import { type BenchServer, type Counts, counting, startServer } from "./api-server.ts";

const podsAtOnce = 100;

let created = 0;
function pod(node: string, families: readonly Family[]): WorkloadRequest {
  const n = ++created;
  return {
    network: "k8s-pod-network",
    containerId: `container-${n}`,
    node,
    pod: {
      namespace: "default",
      name: `pod-${n}`,
      uid: `uid-${n}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    families,
  };
}

/** A cluster with these pools, and node agents that share one client, each with a memory of its own. */
async function prepare(server: BenchServer, nodes: number, pools: readonly string[]) {
  const client = createApiClient({ kubeconfig: server.kubeconfig });
  for (const [i, cidr] of pools.entries())
    await client.create(kinds.IPPool, { metadata: { name: `pool-${i}` }, spec: { cidr } });
  const counts: Counts = { requests: 0, conflicts: 0, calls: new Map() };
  const store = createKubernetesStore({ client: counting(client, counts) });
  const agents = Array.from({ length: nodes }, (_, i) => ({
    node: `worker-${i}`,
    ipam: createIpam({ store }),
  }));
  return { client, counts, agents };
}

async function timed<R>(samples: number[], call: () => Promise<R>): Promise<R> {
  const at = performance.now();
  const result = await call();
  samples.push(performance.now() - at);
  return result;
}

/** CPU time of this process since then, milliseconds. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** What the server and the client alone need for so many requests, from so many nodes at once: no address management in between. */
async function plainReads(client: ApiClient, nodes: number, requests: number) {
  const before = process.cpuUsage();
  const started = performance.now();
  const lane = async () => {
    for (let i = 0; i < requests / nodes; i++) await client.get(kinds.IPPool, { name: "pool-0" });
  };
  await Promise.all(Array.from({ length: nodes }, lane));
  return { wall: performance.now() - started, cpu: cpuSince(before) };
}

/** Times of writing one full block per family as it is, both at once. */
async function plainWrites(client: ApiClient, families: readonly Family[]): Promise<number[]> {
  const { items } = await client.list(kinds.IPAMBlock);
  const isIPv6 = ({ spec }: { readonly spec: { readonly cidr: string } }) => spec.cidr.includes(":");
  const blocks = families.flatMap((family) => items.find((block) => isIPv6(block) === (family === 6)) ?? []);
  const samples: number[] = [];
  for (let i = 0; i < 20; i++)
    await timed(samples, async () => {
      const written = await Promise.all(blocks.map((block) => client.replace(kinds.IPAMBlock, block)));
      blocks.splice(0, blocks.length, ...written);
    });
  return samples;
}

/** (b) nodes × 100 pods at once against the lab's API server; (c) as many pods as addresses. */
export default async function cluster(bench: Bench): Promise<void> {
  for (const families of [[4], [4, 6]] as const)
    for (const nodes of [1, 10, 50]) {
      await using server = await startServer();
      const { client, counts, agents } = await prepare(server, nodes, ["10.0.0.0/12", "fd00:10::/64"]);
      const trips: number[] = [];
      for (let i = 0; i < 50; i++) await timed(trips, () => client.get(kinds.IPPool, { name: "pool-0" }));
      const floor = { name: "one API round trip", value: quantile(trips, 0.5) };
      const samples: number[] = [];
      const before = process.cpuUsage();
      const started = performance.now();
      const all = await Promise.all(
        agents.flatMap(({ node, ipam }) =>
          Array.from({ length: podsAtOnce }, () =>
            timed(samples, () => ipam.workloads.assign(pod(node, families))),
          ),
        ),
      );
      const seconds = (performance.now() - started) / 1000;
      const cpu = cpuSince(before) / all.length;
      const plain = await plainReads(client, nodes, counts.requests);
      const addresses = all.flatMap((one) => one.addresses.map(({ address }) => address));
      if (new Set(addresses).size !== all.length * families.length)
        throw new Error("an address was given twice");
      bench.say(
        `(b) ${nodes} nodes × ${podsAtOnce} pods at once, ${families.map((f) => `IPv${f}`).join(" and ")}, agents just started`,
      );
      bench.report({ name: "allocations", value: all.length / seconds, unit: "1/s" });
      bench.report({ name: "p50", value: quantile(samples, 0.5), unit: "ms", floor });
      bench.report({ name: "p99", value: quantile(samples, 0.99), unit: "ms", floor });
      bench.report({
        name: "API requests per allocation",
        value: counts.requests / all.length,
        unit: "requests",
      });
      bench.report({ name: "conflicts per allocation", value: counts.conflicts / all.length, unit: "" });
      bench.report({
        name: "all pods served",
        value: seconds * 1000,
        unit: "ms",
        floor: { name: "as many plain reads, as many at once", value: plain.wall },
      });
      bench.report({
        name: "CPU of the agents per allocation",
        value: cpu,
        unit: "ms",
        floor: { name: "the client's for those reads", value: plain.cpu / all.length },
      });
      bench.say([...counts.calls].map(([call, count]) => `${count} ${call}`).join(", "));

      if (nodes === 1) {
        counts.requests = 0;
        const alone: number[] = [];
        const { node, ipam } = agents[0]!;
        for (let i = 0; i < 20; i++) await timed(alone, () => ipam.workloads.assign(pod(node, families)));
        bench.report({
          name: "alone: API requests per allocation",
          value: counts.requests / 20,
          unit: "requests",
        });
        const writes = await plainWrites(client, families);
        bench.report({
          name: "alone: p50",
          value: quantile(alone, 0.5),
          unit: "ms",
          floor: { name: "writing a full block of each family", value: quantile(writes, 0.5) },
        });
      }
      await client.close();
    }

  await using server = await startServer();
  const { client, counts, agents } = await prepare(server, 8, ["10.0.0.0/22"]);
  const outcomes = await Promise.allSettled(
    agents.flatMap(({ node, ipam }) =>
      Array.from({ length: 128 }, () => ipam.workloads.assign(pod(node, [4]))),
    ),
  );
  const given = outcomes.flatMap((outcome) =>
    outcome.status === "fulfilled" ? [outcome.value.addresses[0]!.address] : [],
  );
  bench.say("(c) 1024 pods on 8 nodes at once, 1024 addresses");
  bench.report({ name: "pods without an address", value: outcomes.length - given.length, unit: "" });
  bench.report({ name: "addresses given twice", value: given.length - new Set(given).size, unit: "" });
  bench.report({
    name: "API requests per allocation",
    value: counts.requests / given.length,
    unit: "requests",
  });
  bench.report({ name: "conflicts per allocation", value: counts.conflicts / given.length, unit: "" });
  await client.close();
}
