import { loadavg } from "node:os";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { NetworkNamespace } from "@fairlead/netlink";
import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createPolicyEngine, type Dataplane, type PolicyEngine, type Receipt } from "../src/index.ts";
import { createNftablesDataplane } from "../src/nftables.ts";
import {
  type ClusterSize,
  type KindAndObject,
  localEndpoint,
  objects,
  podObject,
  policyObject,
} from "./cluster.ts";
import { threadTime } from "./thread-clock.ts";

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

/** Time on the wall, and of the main thread on a processor, in milliseconds. */
interface Spent {
  readonly wall: number;
  readonly processor: number;
}

class Stopwatch {
  #wall = 0;
  #processor = 0;

  run<T>(work: () => T): T {
    const [wall, processor] = [performance.now(), threadTime()];
    const result = work();
    this.#add(wall, processor);
    return result;
  }

  async wait(work: () => Promise<void>): Promise<void> {
    const [wall, processor] = [performance.now(), threadTime()];
    await work();
    this.#add(wall, processor);
  }

  #add(wall: number, processor: number): void {
    this.#wall += performance.now() - wall;
    this.#processor += threadTime() - processor;
  }

  get spent(): Spent {
    return { wall: this.#wall, processor: this.#processor };
  }
}

interface Run {
  readonly engine: PolicyEngine;
  readonly measured: Measured;
  readonly spent: Spent;
}

/**
 * From an empty engine to an acknowledged transaction. Objects are made a few at a time while the watch stands still: in a node they come
 * from the cluster view, which keeps them.
 */
async function load(netns: NetworkNamespace, size: ClusterSize): Promise<Run> {
  const dataplane = measured(netns);
  const engine = createPolicyEngine({
    dataplane: dataplane.dataplane,
    nodeName: "node",
    watchInterval: 3_600_000,
  });
  const watch = new Stopwatch();
  await watch.wait(() => engine.start());
  for (const batch of batches(objects(size)))
    watch.run(() => {
      for (const [kind, object] of batch) engine.objects.upsert(kind, object);
    });
  const endpoints = Array.from({ length: size.endpoints }, (_, index) => localEndpoint(index));
  watch.run(() => {
    for (const endpoint of endpoints) engine.endpoints.upsert(endpoint);
    engine.synced();
  });
  await watch.wait(() => engine.settled());
  return { engine, measured: dataplane, spent: watch.spent };
}

function* batches(all: Iterable<KindAndObject>): Generator<KindAndObject[]> {
  let batch: KindAndObject[] = [];
  for (const each of all) {
    if (batch.push(each) < 1_000) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

interface Sample {
  readonly spent: Spent[];
  readonly kernel: number[];
  readonly bytes: number[];
}

/** Each change alone: told, calculated and acknowledged before the next one. */
async function repeat(
  { engine, measured: plane }: Run,
  times: number,
  change: (round: number) => () => void,
): Promise<Sample> {
  const sample: Sample = { spent: [], kernel: [], bytes: [] };
  for (let round = 0; round < times; round++) {
    const tell = change(round);
    const watch = new Stopwatch();
    await watch.wait(() => {
      tell();
      return engine.settled();
    });
    sample.spent.push(watch.spent);
    sample.kernel.push(plane.last.kernel);
    sample.bytes.push(plane.last.receipt.bytes);
  }
  return sample;
}

type Figures = Map<string, readonly [value: number, unit: string]>;

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

async function measureRunning(netns: NetworkNamespace, size: ClusterSize, figures: Figures): Promise<void> {
  collectGarbage();
  const before = process.memoryUsage();
  const run = await load(netns, size);
  const add = (name: string, value: number, unit: string) => figures.set(name, [value, unit]);
  add("first calculation and transaction", run.spent.wall, "ms");
  add("  of which kernel", run.measured.last.kernel, "ms");
  add("  processor time of the main thread", run.spent.processor, "ms");
  add("  transaction", run.measured.last.receipt.bytes / 1024, "KiB");
  add("memory (resident set, grown)", (process.memoryUsage().rss - before.rss) / 2 ** 20, "MiB");
  // Pods of an app that policies of local endpoints let in.
  const pod = 2_000;
  const label = await repeat(run, 500, (round) => {
    const object = podObject(pod + Math.floor(round / 2), (round + 1) % 2);
    return () => run.engine.objects.upsert("Pod", object);
  });
  const policy = await repeat(run, 500, (round) => {
    const object = policyObject(Math.floor(round / 2) % 250, size, (round + 1) % 2);
    return () => run.engine.objects.upsert("KubernetesNetworkPolicy", object);
  });
  const endpoint = await repeat(run, 100, (round) => {
    const changed = { ...localEndpoint(round % 250), state: round % 2 ? "running" : "arriving" } as const;
    return () => run.engine.endpoints.upsert(changed);
  });
  for (const [name, { spent, kernel, bytes }] of [
    ["a pod's label", label],
    ["a policy", policy],
    ["an endpoint", endpoint],
  ] as const) {
    const wall = spent.map((each) => each.wall);
    add(`${name} changes, p50`, quantile(wall, 0.5), "ms");
    add(`${name} changes, p99`, quantile(wall, 0.99), "ms");
    const processor = spent.map((each) => each.processor);
    add(`  processor time of the main thread, p50 (${name})`, quantile(processor, 0.5), "ms");
    add(`  processor time of the main thread, p99 (${name})`, quantile(processor, 0.99), "ms");
    add(`  of which kernel, p50 (${name})`, quantile(kernel, 0.5), "ms");
    add(`  transaction, p50 (${name})`, quantile(bytes, 0.5), "bytes");
  }
  collectGarbage();
  add(
    "memory (heap in use after a collection, grown)",
    (process.memoryUsage().heapUsed - before.heapUsed) / 2 ** 20,
    "MiB",
  );
  await run.engine.close();
}

async function measureSize(size: ClusterSize): Promise<Figures> {
  const figures: Figures = new Map();
  using netns = NetworkNamespace.create();
  await measureRunning(netns, size, figures);
  collectGarbage();
  const cold = await load(netns, size);
  figures.set("cold start onto an existing kernel state", [cold.spent.wall, "ms"]);
  figures.set("  of which kernel (reading, comparing, writing)", [cold.measured.last.kernel, "ms"]);
  figures.set("  processor time of the main thread (cold start)", [cold.spent.processor, "ms"]);
  figures.set("  transaction (cold start)", [cold.measured.last.receipt.bytes, "bytes"]);
  await cold.engine.close();
  return figures;
}

/** Calculation and transactions at two sizes, and how they grow from the smaller to the larger. */
export default async function policy(bench: Bench): Promise<void> {
  const [small, large] = [
    await measureSize(sizes[0] as ClusterSize),
    await measureSize(sizes[1] as ClusterSize),
  ];
  bench.say(`load average ${loadavg()[0]?.toFixed(2)}; see docs/measuring.md for what is in each figure`);
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
