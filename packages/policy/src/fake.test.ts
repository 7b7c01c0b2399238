import { describe, expect, test } from "vitest";
import { describeDataplane, sampleRuleset } from "./dataplane.compliance.ts";
import { createFakeDataplane } from "./fake.ts";
import { createPolicyEngine, type LocalEndpoint, PolicyError, type PolicySettings } from "./index.ts";

describe("the dataplane in memory", () => describeDataplane(createFakeDataplane));

const endpoint: LocalEndpoint = {
  id: "e",
  interfaceName: "cali1",
  pod: { namespace: "default", name: "p" },
  labels: {},
  addresses: ["10.0.0.1"],
  macs: ["02:00:00:00:00:01"],
  state: "running",
};

async function startedEngine(settings: Partial<PolicySettings> = {}) {
  const dataplane = createFakeDataplane();
  const timers: (() => void)[] = [];
  const clock = {
    after: (_milliseconds: number, action: () => void) => {
      timers.push(action);
      return { [Symbol.dispose]: () => {} };
    },
  };
  const engine = createPolicyEngine({ dataplane, nodeName: "node", clock, settings });
  await engine.start();
  const pass = () => {
    for (const action of timers.splice(0)) action();
  };
  return { dataplane, engine, pass };
}

const refused = () => new PolicyError("KernelRefused", "no");

describe("an engine on it", () => {
  test("is ready only when the transaction is acknowledged, not when it was tried", async () => {
    const { dataplane, engine, pass } = await startedEngine();
    engine.synced();
    await engine.settled();
    dataplane.refuse(refused());
    engine.endpoints.upsert(endpoint);
    const short = AbortSignal.timeout(30);
    await expect(engine.ready("e", { signal: short })).rejects.toMatchObject({ code: "Aborted" });
    expect(engine.health()).toMatchObject({ ready: false, problems: [{ kind: "Dataplane" }] });
    pass();
    await engine.ready("e");
    expect(engine.health()).toMatchObject({ ready: true, problems: [] });
    expect(dataplane.ruleset.main.chains.has("from-cali1")).toBe(true);
  });

  test("touches no endpoint before it knows everything", async () => {
    const { dataplane, engine } = await startedEngine();
    engine.endpoints.upsert(endpoint);
    await new Promise((resolve) => setImmediate(resolve));
    expect(dataplane.ruleset.main.chains.has("from-cali1")).toBe(false);
    engine.synced();
    await engine.ready("e");
    expect(dataplane.ruleset.main.chains.has("from-cali1")).toBe(true);
  });

  test("Moby CVE-2025-54410: repairs what others change", async () => {
    const { dataplane, engine, pass } = await startedEngine();
    engine.synced();
    engine.endpoints.upsert(endpoint);
    await engine.ready("e");
    dataplane.tamper(({ main }) => main.chains.delete("forward-to-workload"));
    pass();
    await engine.settled();
    expect(dataplane.ruleset.main.chains.has("forward-to-workload")).toBe(true);
    expect(engine.health().repairs).toBe(1);
  });

  test("many changes of one turn are one transaction", async () => {
    const { dataplane, engine } = await startedEngine();
    engine.synced();
    await engine.settled();
    const before = dataplane.log.length;
    for (let index = 0; index < 50; index++) {
      engine.endpoints.upsert({ ...endpoint, id: `e${index}`, interfaceName: `cali${index}` });
    }
    await engine.settled();
    expect(dataplane.log.length).toBe(before + 1);
  });

  test("when all is gone, nothing but the base is left", async () => {
    const { dataplane, engine } = await startedEngine();
    engine.synced();
    await engine.settled();
    const base = [...dataplane.ruleset.main.chains.keys(), ...dataplane.ruleset.main.sets.keys()].sort();
    const policy = {
      metadata: { namespace: "default", name: "p" },
      spec: {
        podSelector: {},
        ingress: [
          {
            from: [{ podSelector: {} }, { ipBlock: { cidr: "10.0.0.0/8" } }],
            ports: [{ port: 1 }, { port: 3 }, { port: "x" }],
          },
        ],
      },
    };
    engine.endpoints.upsert({ ...endpoint, state: "arriving" });
    engine.objects.upsert("KubernetesNetworkPolicy", policy);
    await engine.settled();
    expect(dataplane.ruleset.main.chains.size).toBeGreaterThan(base.length / 2);
    engine.objects.remove("KubernetesNetworkPolicy", policy.metadata);
    engine.endpoints.remove("e");
    await engine.settled();
    expect([...dataplane.ruleset.main.chains.keys(), ...dataplane.ruleset.main.sets.keys()].sort()).toEqual(
      base,
    );
  });

  test.each([
    ["an interface with another prefix", { interfaceName: "eth0" }],
    ["an interface name that is rule text", { interfaceName: 'cali"; drop' }],
    ["an interface name with a line break", { interfaceName: "cali\nx" }],
    ["an address that is none", { addresses: ["10.0.0.256"] }],
    ["an address with a length", { addresses: ["10.0.0.1/32"] }],
    ["an octal address", { addresses: ["010.0.0.1"] }],
    ["a MAC that is none", { macs: ["zz:00:00:00:00:00"] }],
    ["a prefix that is none", { allowedSourcePrefixes: ["10.0.0.0"] }],
  ])("%s is refused", async (_name, change) => {
    const { engine } = await startedEngine();
    expect(() => engine.endpoints.upsert({ ...endpoint, ...change })).toThrow(
      expect.objectContaining({ code: "InvalidEndpoint" }),
    );
  });

  test("a closed engine tells those who wait", async () => {
    const { engine } = await startedEngine();
    engine.endpoints.upsert(endpoint);
    const waiting = expect(engine.ready("e")).rejects.toMatchObject({ code: "Closed" });
    await engine.close();
    await waiting;
  });

  test.each([
    [500, true],
    [0, false],
  ])("compares everything each refreshInterval, here %i ms: %s", async (refreshInterval, repaired) => {
    const { dataplane, engine, pass } = await startedEngine({ refreshInterval });
    engine.synced();
    await engine.settled();
    const { chains } = dataplane.ruleset.main;
    chains.delete("workload-guard");
    for (let times = 0; times < 3; times++) pass();
    await new Promise((resolve) => setImmediate(resolve));
    expect(dataplane.ruleset.main.chains.has("workload-guard")).toBe(repaired);
  });
});

test("the sample is a ruleset the compliance cases can use", () => {
  expect(sampleRuleset().main.chains.size).toBe(3);
});
