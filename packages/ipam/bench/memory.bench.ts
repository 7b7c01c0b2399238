import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import type { ClusterFacts } from "../src/facts.ts";
import {
  createIpam,
  createMemoryStore,
  type Ipam,
  type MemoryStore,
  type WorkloadRequest,
} from "../src/index.ts";

setFlagsFromString("--expose-gc");
const gc: () => void = runInNewContext("gc");

const podsPerNode = 1000;
const atOnce = 100;

function request(n: number): WorkloadRequest {
  const id = n.toString(16).padStart(12, "0");
  return {
    network: "k8s-pod-network",
    containerId: `${id}`.repeat(5).slice(0, 64),
    node: `worker-${Math.floor(n / podsPerNode)}`,
    pod: {
      namespace: `namespace-${n % 50}`,
      name: `deployment-7d9f8b6c5-${id}`,
      uid: `3f2504e0-4f89-41d3-9a0c-${id}`,
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    families: [4],
  };
}

const heapUsed = () => {
  gc();
  return process.memoryUsage().heapUsed;
};

/** Microseconds of CPU. A busy machine changes these less than wall-clock time. */
function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function fill(ipam: Ipam, count: number) {
  for (let n = 0; n < count; n += atOnce)
    await Promise.all(
      Array.from({ length: Math.min(atOnce, count - n) }, (_, i) => ipam.workloads.assign(request(n + i))),
    );
}

function newStore(): MemoryStore {
  const store = createMemoryStore();
  store.load("IPPool", { metadata: { name: "pool" }, spec: { cidr: "10.0.0.0/8" } });
  return store;
}

let asked = 0;
let peak = 0;
const everythingExists: ClusterFacts = {
  pod: async (_, name) => {
    if (++asked % 1000 === 0) peak = Math.max(peak, process.memoryUsage().heapUsed);
    return podOf(name);
  },
  vm: async () => undefined,
  vmi: async () => undefined,
  node: async () => ({ labels: {} }),
};

const podOf = (name: string) => ({
  uid: `3f2504e0-4f89-41d3-9a0c-${name.slice(-12)}`,
  node: undefined,
  phase: "Running",
  addresses: [],
  deleting: false,
});

/** (a) allocation in memory, (d) leak scan: at 10 k, 100 k and 1 M addresses, each with its growth per address. */
export default async function memory(bench: Bench): Promise<void> {
  const growth: { count: number; allocate: number; bytes: number; scan: number }[] = [];
  for (const count of [10_000, 100_000, 1_000_000]) {
    const before = heapUsed();
    const store = newStore();
    let ipam = createIpam({ store });
    const fillCpu = process.cpuUsage();
    const started = performance.now();
    await fill(ipam, count);
    const rate = (1000 * count) / (performance.now() - started);
    const allocate = cpuSince(fillCpu) / count;
    const bytes = (heapUsed() - before) / count;
    ipam = createIpam({ store });
    const base = heapUsed();
    peak = base;
    const scanCpu = process.cpuUsage();
    const scanned = performance.now();
    const report = await ipam.collector({ facts: everythingExists }).scan();
    if (report.allocations !== count || report.candidates > 0)
      throw new Error(`scan saw ${report.allocations}`);
    const duration = performance.now() - scanned;
    const scan = cpuSince(scanCpu) / count;
    growth.push({ count, allocate, bytes, scan });
    const label = count.toLocaleString("en");
    bench.report({ name: `(a) allocate, ${label} addresses`, value: rate, unit: "1/s" });
    bench.report({ name: `(a) memory per allocation, ${label}`, value: bytes, unit: "bytes" });
    bench.report({ name: `(d) leak scan of ${label} allocations`, value: duration, unit: "ms" });
    bench.report({
      name: `(d) memory during the scan (peak, with garbage), ${label}`,
      value: (peak - base) / 1e6,
      unit: "MB",
    });
  }
  bench.say("growth of the cost per address, in CPU time and bytes, for ten times as many (1 is linear)");
  for (const [i, small] of growth.slice(0, -1).entries()) {
    const large = growth[i + 1]!;
    const step = `${small.count.toLocaleString("en")} to ${large.count.toLocaleString("en")}`;
    for (const [figure, name] of [
      ["allocate", "(a) allocation"],
      ["bytes", "(a) memory"],
      ["scan", "(d) leak scan"],
    ] as const)
      bench.report({ name: `${name}, ${step}`, value: large[figure] / small[figure], unit: "times" });
  }
  const lone = createIpam({ store: newStore() });
  await lone.workloads.assign(request(0));
  const samples: number[] = [];
  for (let n = 1; n < 500; n++) {
    const at = performance.now();
    await lone.workloads.assign(request(n));
    samples.push((performance.now() - at) * 1000);
  }
  bench.report({ name: "one allocation alone, in memory, p50", value: quantile(samples, 0.5), unit: "µs" });
}
