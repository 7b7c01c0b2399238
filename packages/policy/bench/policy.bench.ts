import { NetworkNamespace } from "@fairlead/netlink";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createPolicyEngine, type Dataplane, type PolicyEngine, type Receipt } from "../src/index.ts";
import { createNftablesDataplane } from "../src/nftables.ts";
import { type ClusterSize, localEndpoint, objects, podObject, policyObject } from "./cluster.ts";

const sizes: readonly ClusterSize[] = [
  { policies: 1_000, pods: 10_000, endpoints: 250, sets: 2_000 },
  { policies: 10_000, pods: 100_000, endpoints: 250, sets: 2_000 },
];

/** A dataplane that notes what each transaction was and how long the kernel took, in milliseconds. */
interface Measured {
  readonly dataplane: Dataplane;
  last: { receipt: Receipt; kernel: number };
}

function measured(netns: NetworkNamespace): Measured {
  const inner = createNftablesDataplane({ netns });
  const measure = (call: () => Receipt): Receipt => {
    const before = performance.now();
    const receipt = call();
    result.last = { receipt, kernel: performance.now() - before };
    return receipt;
  };
  const result: Measured = {
    dataplane: {
      reconcile: (desired, options) => measure(() => inner.reconcile(desired, options)),
      apply: (change) => measure(() => inner.apply(change)),
      disturbed: () => inner.disturbed(),
      health: () => inner.health(),
      close: () => inner.close(),
    },
    last: { receipt: { messages: 0, bytes: 0 }, kernel: 0 },
  };
  return result;
}

interface Run {
  readonly engine: PolicyEngine;
  readonly measured: Measured;
  readonly total: number;
}

async function load(netns: NetworkNamespace, size: ClusterSize): Promise<Run> {
  const dataplane = measured(netns);
  const engine = createPolicyEngine({
    dataplane: dataplane.dataplane,
    nodeName: "node",
    watchInterval: 3_600_000,
  });
  const begin = performance.now();
  await engine.start();
  for (const [kind, object] of objects(size)) engine.objects.upsert(kind, object);
  for (let index = 0; index < size.endpoints; index++) engine.endpoints.upsert(localEndpoint(index));
  engine.synced();
  await engine.settled();
  return { engine, measured: dataplane, total: performance.now() - begin };
}

interface Sample {
  readonly total: number[];
  readonly kernel: number[];
  readonly bytes: number[];
}

async function repeat(
  { engine, measured: plane }: Run,
  times: number,
  change: (round: number) => void,
): Promise<Sample> {
  const sample: Sample = { total: [], kernel: [], bytes: [] };
  for (let round = 0; round < times; round++) {
    const begin = performance.now();
    change(round);
    await engine.settled();
    sample.total.push(performance.now() - begin);
    sample.kernel.push(plane.last.kernel);
    sample.bytes.push(plane.last.receipt.bytes);
  }
  return sample;
}

type Figures = Map<string, readonly [value: number, unit: string]>;

async function measureSize(size: ClusterSize): Promise<Figures> {
  const figures: Figures = new Map();
  using netns = NetworkNamespace.create();
  const before = process.memoryUsage().rss;
  const run = await load(netns, size);
  const add = (name: string, value: number, unit: string) => figures.set(name, [value, unit]);
  add("first calculation and transaction", run.total, "ms");
  add("  of which kernel", run.measured.last.kernel, "ms");
  add("  transaction", run.measured.last.receipt.bytes / 1024, "KiB");
  add("memory (resident set, grown)", (process.memoryUsage().rss - before) / 2 ** 20, "MiB");
  // Pods of an app that policies of local endpoints let in.
  const pod = 2_000;
  const label = await repeat(run, 200, (round) =>
    run.engine.objects.upsert("Pod", podObject(pod + Math.floor(round / 2), (round + 1) % 2)),
  );
  const policy = await repeat(run, 200, (round) =>
    run.engine.objects.upsert(
      "KubernetesNetworkPolicy",
      policyObject(Math.floor(round / 2) % 250, size, (round + 1) % 2),
    ),
  );
  const endpoint = await repeat(run, 100, (round) =>
    run.engine.endpoints.upsert({ ...localEndpoint(round % 250), state: round % 2 ? "running" : "arriving" }),
  );
  for (const [name, sample] of [
    ["a pod's label", label],
    ["a policy", policy],
    ["an endpoint", endpoint],
  ] as const) {
    add(`${name} changes, p50`, quantile(sample.total, 0.5), "ms");
    add(`${name} changes, p99`, quantile(sample.total, 0.99), "ms");
    add("  of which kernel, p50 ".concat(`(${name})`), quantile(sample.kernel, 0.5), "ms");
    add("  transaction, p50 ".concat(`(${name})`), quantile(sample.bytes, 0.5), "bytes");
  }
  await run.engine.close();
  const cold = await load(netns, size);
  add("cold start onto an existing kernel state", cold.total, "ms");
  add("  of which kernel (reading, comparing, writing)", cold.measured.last.kernel, "ms");
  add("  transaction (cold start)", cold.measured.last.receipt.bytes, "bytes");
  await cold.engine.close();
  return figures;
}

/** Calculation and transactions at two sizes, and how they grow from the smaller to the larger. */
export default async function policy(bench: Bench): Promise<void> {
  const [small, large] = [
    await measureSize(sizes[0] as ClusterSize),
    await measureSize(sizes[1] as ClusterSize),
  ];
  for (const [index, figures] of [small, large].entries()) {
    const size = sizes[index] as ClusterSize;
    bench.say(
      `${size.policies} policies, ${size.pods} pods, ${size.endpoints} local endpoints, up to ${size.sets} sets`,
    );
    for (const [name, [value, unit]] of figures) bench.report({ name, value, unit });
  }
  bench.say("Growth from the smaller to the larger size (policies and pods grow tenfold)");
  for (const [name, [value]] of large) {
    const [base] = small.get(name) ?? [Number.NaN];
    if (base > 0) bench.report({ name, value: value / base, unit: "times" });
  }
}
