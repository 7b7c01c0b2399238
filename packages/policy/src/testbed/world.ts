import type { Dataplane } from "../dataplane.ts";
import type { PolicyEngine, PolicyKind, PolicyObject } from "../engine.ts";
import { createPolicyEngine, type PolicySettings } from "../index.ts";
import { createNftablesDataplane } from "../nftables.ts";
import { HostWire } from "./host-wire.ts";
import { inhabitants, podPorts, worldObjects } from "./inhabitants.ts";
import type { World } from "./probe.ts";
import { Testbed, type TestWorkload } from "./testbed.ts";

const protocols = { TCP: "tcp", UDP: "udp" } as const;

export interface WorldOptions {
  readonly settings?: Partial<PolicySettings>;
  /** Stands between engine and kernel, to see whether anybody notices. */
  readonly between?: (kernel: Dataplane) => Dataplane;
  /** Whether others are kept from changing the tables (default true). */
  readonly exclusive?: boolean;
}

export interface RandomWorld extends World, AsyncDisposable {
  /** Ends the engine without a word to the kernel; a new one starts, and is told these objects besides the world's own. */
  restart(objects: readonly PolicyInput[]): Promise<void>;
}

export type PolicyInput = readonly [kind: PolicyKind, object: PolicyObject];

/** The random world with an engine that knows everything but policies. */
export async function openWorld(options: WorldOptions = {}): Promise<RandomWorld> {
  const testbed = new Testbed();
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
  const start = (objects: readonly PolicyInput[]) => startEngine(testbed, workloads, objects, options);
  let engine = await start([]);
  const host = new HostWire(testbed.node);
  return {
    testbed,
    workloads,
    host,
    get engine() {
      return engine;
    },
    restart: async (objects) => {
      await engine.close();
      engine = await start(objects);
    },
    [Symbol.asyncDispose]: async () => {
      await engine.close();
      host[Symbol.dispose]();
      testbed[Symbol.dispose]();
    },
  };
}

async function startEngine(
  testbed: Testbed,
  workloads: readonly TestWorkload[],
  objects: readonly PolicyInput[],
  { settings = {}, between = (kernel) => kernel, exclusive = true }: WorldOptions,
): Promise<PolicyEngine> {
  const engine = createPolicyEngine({
    dataplane: between(createNftablesDataplane({ netns: testbed.node, exclusive })),
    nodeName: "node",
    settings,
    watchInterval: 20,
  });
  await engine.start();
  for (const [kind, object] of [...worldObjects, ...objects]) engine.objects.upsert(kind, object);
  for (const { endpoint } of workloads) engine.endpoints.upsert(endpoint);
  engine.synced();
  await engine.settled({ signal: AbortSignal.timeout(30_000) });
  return engine;
}
