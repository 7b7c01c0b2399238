import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createPolicyEngine, type PolicyEngine } from "../src/index.ts";
import { createNftablesDataplane } from "../src/nftables.ts";
import { tcpFlags } from "../src/testbed/frame.ts";
import { frameFrom, Testbed, type TestWorkload } from "../src/testbed/testbed.ts";
import {
  type ClusterSize,
  localEndpoint,
  namespaceObjects,
  objects,
  podObject,
  policyObject,
} from "./cluster.ts";
import { threadTime } from "./thread-clock.ts";

const full: ClusterSize = { policies: 10_000, pods: 100_000, endpoints: 250, sets: 2_000 };
/** The endpoint under test is the cluster's pod 0. These policies select it. */
const itsPolicies = Array.from({ length: full.policies / full.sets }, (_, index) => index * full.sets);
/** In the network that the last of them allows, and a pod whose port 53 all of them allow. */
const client = `172.16.${(itsPolicies.at(-1) ?? 0) & 255}.9`;
const resolver = 100_000 - 100;

const rounds = 120;
/** Packets between two looks at what arrived; they fit into the receiver's buffer. */
const burst = 64;

type Load = (engine: PolicyEngine) => void;

/** What else is on the node. The policies of the endpoint under test are the same wherever there are policies. */
const cases: readonly { readonly name: string; readonly load?: Load }[] = [
  { name: "no table of ours" },
  {
    name: "1 endpoint",
    load: (engine) => {
      for (const [kind, object] of namespaceObjects()) engine.objects.upsert(kind, object);
      for (const index of itsPolicies)
        engine.objects.upsert("KubernetesNetworkPolicy", policyObject(index, full));
      engine.objects.upsert("Pod", podObject(resolver));
    },
  },
  {
    name: `${full.endpoints} endpoints`,
    load: (engine) => {
      for (const [kind, object] of objects(full)) engine.objects.upsert(kind, object);
      for (let index = 1; index < full.endpoints; index++)
        engine.endpoints.upsert({ ...localEndpoint(index), interfaceName: `calix${index}` });
    },
  },
];

/** A node with the endpoint under test and its uplink. */
class Way implements AsyncDisposable {
  readonly #testbed = new Testbed();
  readonly #engine: PolicyEngine;
  readonly #endpoint: TestWorkload;
  readonly #resolver = podObject(resolver);
  #port = 1024;

  private constructor() {
    const { interfaceName, macs, ...pod } = localEndpoint(0);
    this.#endpoint = this.#testbed.workload(pod);
    this.#engine = createPolicyEngine({
      dataplane: createNftablesDataplane({ netns: this.#testbed.node }),
      nodeName: "node",
      watchInterval: 3_600_000,
    });
  }

  static async open(load: Load | undefined): Promise<Way> {
    const way = new Way();
    if (load === undefined) return way;
    await way.#engine.start();
    load(way.#engine);
    way.#engine.endpoints.upsert(way.#endpoint.endpoint);
    way.#engine.synced();
    await way.#engine.settled();
    return way;
  }

  /** Microseconds of processor time for a packet out of the endpoint on an open flow. */
  out(): number {
    const { status } = this.#resolver as { status: { podIPs: readonly { ip: string }[] } };
    const frame = frameFrom(this.#endpoint, {
      source: this.#endpoint.ipv4,
      destination: status.podIPs[0]?.ip ?? "",
      payload: { protocol: "udp", sourcePort: 4000, destinationPort: 53 },
    });
    return this.#pass(this.#endpoint, this.#testbed.uplink, new Array<Buffer>(burst).fill(frame));
  }

  /** The same for a packet that begins a connection to the endpoint, so that its policies are asked. */
  connect(): number {
    const frames = Array.from({ length: burst }, () => {
      this.#port = this.#port === 65_535 ? 1024 : this.#port + 1;
      return frameFrom(this.#testbed.uplink, {
        source: client,
        destination: this.#endpoint.ipv4,
        payload: {
          protocol: "tcp",
          sourcePort: this.#port,
          destinationPort: 80,
          flags: tcpFlags.syn,
        },
      });
    });
    return this.#pass(this.#testbed.uplink, this.#endpoint, frames);
  }

  /** The kernel takes a frame the whole way within the `send` that injects it, so the sender's time is the packet's. */
  #pass(from: TestWorkload, to: TestWorkload, frames: readonly Buffer[]): number {
    while (to.wire.receive() !== undefined);
    const begin = threadTime();
    for (const frame of frames) from.wire.send(frame);
    const spent = threadTime() - begin;
    this.#expectAll(to, frames.length);
    return (spent * 1000) / frames.length;
  }

  /** A busy machine may leave the rest of the way to a kernel thread. */
  #expectAll(to: TestWorkload, count: number): void {
    const deadline = performance.now() + 2_000;
    for (let arrived = 0; arrived < count; ) {
      const frame = to.wire.receive();
      if (frame !== undefined && frame.length > 40) arrived++;
      if (performance.now() > deadline)
        throw new Error(`${count - arrived} of ${count} packets did not arrive`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine.close();
    this.#testbed[Symbol.dispose]();
  }
}

const kinds = [
  { name: "packet out of the endpoint, open flow", measure: (way: Way) => way.out() },
  { name: "first packet of a connection to the endpoint", measure: (way: Way) => way.connect() },
] as const;

/**
 * Packets through an endpoint: without a table of ours, with the endpoint alone, and with a full node and all policies. Processor time of
 * bursts that take turns, so that what else the machine does meets all of them alike.
 */
export default async function forwarding(bench: Bench): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const ways: Way[] = [];
  // The full node first: others that listen to nf_tables would make its first transaction slow.
  for (const { load } of cases.toReversed()) ways.unshift(stack.use(await Way.open(load)));
  for (const { name, measure } of kinds) {
    for (const way of ways) measure(way);
    const samples = ways.map((): number[] => []);
    for (let round = 0; round < rounds; round++)
      for (const [index, way] of ways.entries()) samples[index]?.push(measure(way));
    bench.say(`${name}: median of ${rounds} bursts of ${burst}, taking turns`);
    const middle = samples.map((each) => quantile(each, 0.5));
    const [bare = Number.NaN] = middle;
    for (const [index, value] of middle.entries()) {
      const floor = index === 0 ? {} : { floor: { name: "no table of ours", value: bare } };
      const label = cases[index]?.name ?? "";
      bench.report({ name: `  ${label}`, value, unit: "µs", ...floor });
      const [low, high] = [0.25, 0.75].map((part) => quantile(samples[index] ?? [], part));
      bench.report({
        name: `  ${label}, width of the middle half`,
        value: (high ?? 0) - (low ?? 0),
        unit: "µs",
      });
      bench.report({
        name: `  ${label}, packets in a second of one processor`,
        value: 1e6 / value,
        unit: "1/s",
      });
    }
    const [, alone = [], crowded = []] = samples;
    const ratios = crowded.map((value, round) => value / (alone[round] ?? Number.NaN));
    for (const part of [0.25, 0.5, 0.75]) {
      bench.report({
        name: `  ${full.endpoints} endpoints over 1, of neighbouring bursts, quantile ${part}`,
        value: quantile(ratios, part),
        unit: "times",
      });
    }
  }
}
