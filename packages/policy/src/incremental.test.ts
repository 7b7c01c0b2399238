import { expect, test, vi } from "vitest";
import { createFakeDataplane } from "./fake.ts";
import { createPolicyEngine } from "./index.ts";
import type { RulesetChange } from "./ruleset/ruleset.ts";

/** Milliseconds; a busy machine is no failure. */
vi.setConfig({ testTimeout: 60_000 });

/** What a transaction touches, as numbers. */
function touched({ main }: RulesetChange) {
  const count = (elements: ReadonlyMap<string, readonly unknown[]> = new Map()) =>
    [...elements.values()].reduce((sum, { length }) => sum + length, 0);
  return {
    chains: (main?.chains.length ?? 0) + (main?.removedChains.length ?? 0),
    sets: (main?.sets.length ?? 0) + (main?.removedSets.length ?? 0),
    elements: count(main?.addedElements) + count(main?.removedElements),
  };
}

const groups = 40;

/** In each group one local endpoint, remote pods and a policy that lets the group's pods in. */
async function cluster() {
  const dataplane = createFakeDataplane();
  const engine = createPolicyEngine({ dataplane, nodeName: "node" });
  await engine.start();
  for (let group = 0; group < groups; group++) {
    engine.objects.upsert("KubernetesNetworkPolicy", policy(group, 80));
    engine.endpoints.upsert({
      id: `local-${group}`,
      interfaceName: `cali${group}`,
      pod: { namespace: "shop", name: `local-${group}` },
      labels: { group: `${group}` },
      addresses: [`10.1.0.${group + 1}`],
      macs: ["02:00:00:00:00:01"],
      state: "running",
    });
    for (let member = 0; member < 5; member++) engine.objects.upsert("Pod", pod(group, member, group));
  }
  engine.synced();
  await engine.settled();
  const change = async (action: () => void) => {
    const before = dataplane.log.length;
    action();
    await engine.settled();
    expect(dataplane.log.length - before).toBeLessThanOrEqual(1);
    return touched(dataplane.log[before] ?? {});
  };
  return { engine, change };
}

const policy = (group: number, port: number) => ({
  metadata: { namespace: "shop", name: `p-${group}` },
  spec: {
    podSelector: { matchLabels: { group: `${group}` } },
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ podSelector: { matchLabels: { group: `${group}` } } }], ports: [{ port }] }],
  },
});
const pod = (group: number, member: number, label: number) => ({
  metadata: { namespace: "shop", name: `remote-${group}-${member}`, labels: { group: `${label}` } },
  spec: { containers: [] },
  status: { phase: "Running", podIPs: [{ ip: `10.2.${group}.${member + 1}` }] },
});

test("a remote pod's label moves its address from one set to another, and nothing else", async () => {
  const { engine, change } = await cluster();
  expect(await change(() => engine.objects.upsert("Pod", pod(3, 1, 4)))).toEqual({
    chains: 0,
    sets: 0,
    elements: 2,
  });
});

test("a policy that changes rewrites its own chain", async () => {
  const { engine, change } = await cluster();
  const { chains } = await change(() => engine.objects.upsert("KubernetesNetworkPolicy", policy(7, 81)));
  expect(chains).toBe(1);
});

test("what is said again changes nothing", async () => {
  const { engine, change } = await cluster();
  const nothing = { chains: 0, sets: 0, elements: 0 };
  expect(await change(() => engine.objects.upsert("Pod", pod(3, 1, 3)))).toEqual(nothing);
  expect(await change(() => engine.objects.upsert("KubernetesNetworkPolicy", policy(7, 80)))).toEqual(
    nothing,
  );
});

test("pods and policies that concern no endpoint here do not reach the kernel", async () => {
  const { engine, change } = await cluster();
  const nothing = { chains: 0, sets: 0, elements: 0 };
  expect(await change(() => engine.objects.upsert("Pod", pod(200, 1, 200)))).toEqual(nothing);
  expect(await change(() => engine.objects.upsert("KubernetesNetworkPolicy", policy(200, 80)))).toEqual(
    nothing,
  );
});
