import { beforeEach, describe, expect, test } from "vitest";
import { createFakeDataplane } from "./fake.ts";
import { createPolicyEngine, type LocalEndpoint, type PolicyEngine } from "./index.ts";
import { interfaceName } from "./ruleset/value.ts";

const endpointOf = (name: string, address: string): LocalEndpoint => ({
  id: name,
  interfaceName: name,
  pod: { namespace: "shop", name },
  labels: { app: name },
  addresses: [address],
  macs: ["02:00:00:00:00:01"],
  state: "running",
});
const policyOf = (app: string) => ({
  metadata: { namespace: "shop", name: app },
  spec: {
    podSelector: { matchLabels: { app } },
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ ipBlock: { cidr: "192.0.2.0/24" } }] }],
  },
});

let dataplane: ReturnType<typeof createFakeDataplane>;
let engine: PolicyEngine;

/** An earlier run knew both endpoints; this one knows neither, and keeps the first. */
beforeEach(async () => {
  dataplane = createFakeDataplane();
  const earlier = createPolicyEngine({ dataplane, nodeName: "node" });
  await earlier.start();
  for (const [name, address] of [
    ["cali1", "10.0.0.1"],
    ["cali2", "10.0.0.2"],
  ] as const) {
    earlier.objects.upsert("KubernetesNetworkPolicy", policyOf(name));
    earlier.endpoints.upsert(endpointOf(name, address));
  }
  earlier.synced();
  await earlier.settled();
  await earlier.close();
  engine = createPolicyEngine({ dataplane, nodeName: "node" });
  await engine.start();
  engine.keep(["cali1"]);
});

/** Everything in both tables that speaks of an interface. */
const inForce = (name: string) =>
  [dataplane.ruleset.main, dataplane.ruleset.arp].flatMap(({ elements }) =>
    [...elements].flatMap(([set, members]) =>
      [...members.keys()].filter((key) => key.startsWith(interfaceName(name))).map((key) => `${set} ${key}`),
    ),
  );

describe("an interface of which nobody knows whose it is", () => {
  test("keeps what is in force for it, and another loses all", async () => {
    const before = inForce("cali1");
    engine.synced();
    await engine.settled();
    expect([before.length > 0, inForce("cali1"), inForce("cali2")]).toEqual([true, before, []]);
  });

  test("loses it when it is not kept any more", async () => {
    engine.synced();
    engine.keep([]);
    await engine.settled();
    expect(inForce("cali1")).toEqual([]);
  });

  test("gets its own when it becomes an endpoint, and nothing of before stays", async () => {
    engine.synced();
    await engine.settled();
    engine.endpoints.upsert(endpointOf("cali1", "10.0.0.9"));
    await engine.ready("cali1");
    const now = inForce("cali1");
    expect(now.filter((one) => one.includes("0a000009")).length).toBeGreaterThan(0);
    expect(now.filter((one) => one.includes("0a000001"))).toEqual([]);
  });

  test("does not stand in the way of the policy that served it", async () => {
    engine.objects.upsert("KubernetesNetworkPolicy", policyOf("cali1"));
    engine.synced();
    engine.endpoints.upsert({ ...endpointOf("cali1", "10.0.0.3"), id: "other", interfaceName: "cali3" });
    await engine.settled();
    const before = inForce("cali1");
    engine.objects.remove("KubernetesNetworkPolicy", { namespace: "shop", name: "cali1" });
    await engine.settled();
    expect([engine.health().ready, inForce("cali1")]).toEqual([true, before]);
  });
});
