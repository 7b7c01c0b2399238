import { expect, test } from "vitest";
import { createFakeDataplane } from "./fake.ts";
import { createPolicyEngine, type Explanation, type PolicyEngine } from "./index.ts";

async function engineWithVm() {
  const dataplane = createFakeDataplane();
  const engine = createPolicyEngine({ dataplane, nodeName: "node" });
  await engine.start();
  engine.endpoints.upsert({
    id: "vm",
    interfaceName: "cali1",
    pod: { namespace: "shop", name: "vm" },
    labels: {},
    addresses: ["10.0.0.1"],
    macs: ["02:00:00:00:00:01"],
    state: "running",
  });
  engine.synced();
  await engine.settled();
  return { dataplane, engine };
}

const toPort = (engine: PolicyEngine, destinationPort: number): [now: string, staged: string | undefined] => {
  const { verdict, staged }: Explanation = engine.explain(
    { direction: "in", source: "192.0.2.1", destination: "10.0.0.1", protocol: "tcp", destinationPort },
    "vm",
  );
  return [verdict, staged?.verdict];
};

const metadata = { namespace: "shop", name: "p" };
const kubernetes = (port: number, more: object = {}) => ({
  metadata,
  spec: { podSelector: {}, policyTypes: ["Ingress"], ingress: [{ ports: [{ port }] }], ...more },
});
const calico = (port: number, more: object = {}) => ({
  metadata,
  spec: {
    selector: "all()",
    ingress: [{ action: "Allow", protocol: "TCP", destination: { ports: [port] } }],
    ...more,
  },
});

const kinds = [
  ["KubernetesNetworkPolicy", "StagedKubernetesNetworkPolicy", kubernetes],
  ["NetworkPolicy", "StagedNetworkPolicy", calico],
  ["GlobalNetworkPolicy", "StagedGlobalNetworkPolicy", calico],
] as const;

for (const [kind, stagedKind, make] of kinds) {
  test(`a ${stagedKind} is explained and not enforced`, async () => {
    const { engine, dataplane } = await engineWithVm();
    const before = JSON.stringify([...dataplane.ruleset.main.chains]);
    engine.objects.upsert(stagedKind, make(80));
    await engine.settled();
    expect(JSON.stringify([...dataplane.ruleset.main.chains])).toBe(before);
    expect([toPort(engine, 80), toPort(engine, 81)]).toEqual([
      ["allow", "allow"],
      ["allow", "deny"],
    ]);
    engine.objects.remove(stagedKind, metadata);
    await engine.settled();
    expect(toPort(engine, 81)).toEqual(["allow", undefined]);
  });

  test(`a ${stagedKind} would replace the policy of its name, or delete it`, async () => {
    const { engine } = await engineWithVm();
    engine.objects.upsert(kind, make(80));
    engine.objects.upsert(stagedKind, make(81));
    await engine.settled();
    expect([toPort(engine, 80), toPort(engine, 81)]).toEqual([
      ["allow", "deny"],
      ["deny", "allow"],
    ]);
    engine.objects.upsert(stagedKind, make(81, { stagedAction: "Delete" }));
    await engine.settled();
    expect(toPort(engine, 82)).toEqual(["deny", "allow"]);
  });

  test.each(["Learn", "Ignore"])(`a ${stagedKind} with %s says nothing`, async (stagedAction) => {
    const { engine } = await engineWithVm();
    engine.objects.upsert(stagedKind, make(80, { stagedAction }));
    await engine.settled();
    expect(toPort(engine, 81)).toEqual(["allow", undefined]);
  });
}
