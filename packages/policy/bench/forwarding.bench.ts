import { type Bench, quantile } from "../../../scripts/bench.ts";
import { createPolicyEngine } from "../src/index.ts";
import { createNftablesDataplane } from "../src/nftables.ts";
import { frameFrom, Testbed } from "../src/testbed/testbed.ts";
import { localEndpoint } from "./cluster.ts";

const packets = 20_000;
const rounds = 7;

/**
 * Microseconds for a packet of an open flow from one workload to another: the kernel works on it within the `send` that injects
 * it. The best of several rounds, for the machine has other things to do.
 */
async function measure(policies: number, neighbours: number, filtered: boolean): Promise<number> {
  using testbed = new Testbed();
  const [a, b] = [testbed.workload({ labels: { app: "a" } }), testbed.workload({ labels: { app: "b" } })];
  const engine = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "node",
  });
  if (filtered) {
    await engine.start();
    for (let index = 0; index < policies; index++) {
      engine.objects.upsert("KubernetesNetworkPolicy", {
        metadata: { namespace: "default", name: `p${index}` },
        spec: {
          podSelector: {},
          ingress: [
            { from: [{ podSelector: { matchLabels: { app: index === policies - 1 ? "a" : `x${index}` } } }] },
          ],
        },
      });
    }
    for (const { endpoint } of [a, b]) engine.endpoints.upsert(endpoint);
    for (let index = 0; index < neighbours; index++)
      engine.endpoints.upsert({ ...localEndpoint(index), interfaceName: `caliz${index}` });
    engine.synced();
    await engine.settled();
  }
  const frame = frameFrom(a, {
    source: a.ipv4,
    destination: b.ipv4,
    payload: { protocol: "udp", sourcePort: 4000, destinationPort: 5000 },
  });
  const back = frameFrom(b, {
    source: b.ipv4,
    destination: a.ipv4,
    payload: { protocol: "udp", sourcePort: 5000, destinationPort: 4000 },
  });
  a.wire.send(frame);
  b.wire.send(back);
  const samples: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begin = performance.now();
    for (let count = 0; count < packets / rounds; count++) {
      a.wire.send(frame);
      while (b.wire.receive() !== undefined);
    }
    samples.push(((performance.now() - begin) * 1000) / (packets / rounds));
  }
  await engine.close();
  return quantile(samples, 0);
}

/** Packets through an endpoint, beside the same way without any policy. */
export default async function forwarding(bench: Bench): Promise<void> {
  const floor = { name: "no policy tables", value: await measure(0, 0, false) };
  for (const [policies, neighbours] of [
    [0, 0],
    [1, 0],
    [1, 248],
    [50, 248],
  ] as const) {
    const name = `packet, ${policies} policies here, ${neighbours + 2} endpoints on the node`;
    bench.report({ name, value: await measure(policies, neighbours, true), unit: "µs", floor });
  }
}
