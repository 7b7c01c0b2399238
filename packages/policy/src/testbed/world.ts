import type { Dataplane } from "../dataplane.ts";
import { createPolicyEngine, type PolicySettings } from "../index.ts";
import { createNftablesDataplane } from "../nftables.ts";
import { HostWire } from "./host-wire.ts";
import type { World } from "./probe.ts";
import { inhabitants, podPorts, worldObjects } from "./random-world.ts";
import { Testbed } from "./testbed.ts";

const protocols = { TCP: "tcp", UDP: "udp" } as const;

/** The random world with an engine that knows everything but policies. */
export async function openWorld(
  settings: Partial<PolicySettings> = {},
  /** Stands between engine and kernel, to see whether anybody notices. */
  between: (kernel: Dataplane) => Dataplane = (kernel) => kernel,
): Promise<World & AsyncDisposable> {
  const testbed = new Testbed();
  const engine = createPolicyEngine({
    dataplane: between(createNftablesDataplane({ netns: testbed.node })),
    nodeName: "node",
    settings,
  });
  await engine.start();
  for (const [kind, object] of worldObjects) engine.objects.upsert(kind, object);
  const workloads = inhabitants
    .filter(({ local }) => local)
    .map(({ name, namespace, labels, serviceAccount, ipv4, ipv6 }) =>
      testbed.workload({
        id: `k8s/${namespace}.${name}/eth0`,
        pod: { namespace, name },
        labels,
        serviceAccount,
        addresses: [ipv4, ipv6],
        ports: podPorts.map((port) => ({
          name: port.name,
          port: port.containerPort,
          protocol: protocols[port.protocol as "TCP" | "UDP"],
        })),
      }),
    );
  for (const { endpoint } of workloads) engine.endpoints.upsert(endpoint);
  engine.synced();
  await engine.settled({ signal: AbortSignal.timeout(5_000) });
  const host = new HostWire(testbed.node);
  const dispose = async () => {
    await engine.close();
    host[Symbol.dispose]();
    testbed[Symbol.dispose]();
  };
  return { testbed, engine, workloads, host, [Symbol.asyncDispose]: dispose };
}
