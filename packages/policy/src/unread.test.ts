import { describe, expect, test } from "vitest";
import { createFakeDataplane } from "./fake.ts";
import { createPolicyEngine, type Packet, type PolicyEngine } from "./index.ts";

/** What an engine makes of objects that ask for what it cannot do, or that it cannot read. */
async function engineWithVm(): Promise<PolicyEngine> {
  const engine = createPolicyEngine({ dataplane: createFakeDataplane(), nodeName: "node" });
  await engine.start();
  engine.endpoints.upsert({
    id: "vm",
    interfaceName: "cali1",
    pod: { namespace: "shop", name: "vm" },
    labels: { role: "web" },
    addresses: ["10.0.0.1"],
    macs: ["02:00:00:00:00:01"],
    state: "running",
  });
  engine.synced();
  await engine.settled();
  return engine;
}

const toPort = (destinationPort: number): Packet => ({
  direction: "in",
  source: "192.0.2.1",
  destination: "10.0.0.1",
  protocol: "tcp",
  destinationPort,
});
const verdicts = (engine: PolicyEngine, ...ports: number[]) =>
  ports.map((port) => engine.explain(toPort(port), "vm").verdict);

describe("a rule with an HTTP match", () => {
  const allow = (port: number, http?: object) => ({
    action: "Allow",
    protocol: "TCP",
    destination: { ports: [port] },
    ...(http === undefined ? {} : { http }),
  });
  const spec = (http?: object) => ({ selector: "all()", ingress: [allow(80, http), allow(81)] });

  test.each(["NetworkPolicy", "GlobalNetworkPolicy"] as const)(
    "allows nothing in a %s, and is reported; the rules beside it hold",
    async (kind) => {
      const engine = await engineWithVm();
      const metadata = { name: "api", ...(kind === "NetworkPolicy" ? { namespace: "shop" } : {}) };
      engine.objects.upsert(kind, { metadata, spec: spec({ methods: ["GET"] }) });
      await engine.settled();
      expect(verdicts(engine, 80, 81)).toEqual(["deny", "allow"]);
      expect(engine.explain(toPort(81), "vm").path.at(-1)).toMatchObject({ at: "rule", rule: 1 });
      expect(engine.health().problems).toEqual([
        expect.objectContaining({ kind, message: expect.stringContaining("spec.ingress[0].http") }),
      ]);
      engine.objects.upsert(kind, { metadata, spec: spec() });
      await engine.settled();
      expect(verdicts(engine, 80, 81)).toEqual(["allow", "allow"]);
      expect(engine.health().problems).toEqual([]);
    },
  );

  test("matches nothing when it names neither methods nor paths, too", async () => {
    const engine = await engineWithVm();
    engine.objects.upsert("GlobalNetworkPolicy", { metadata: { name: "api" }, spec: spec({}) });
    await engine.settled();
    expect(verdicts(engine, 80)).toEqual(["deny"]);
  });
});

describe("a policy that never could be read", () => {
  const crooked = [{ action: "Allow", protocol: "TCP", destination: { ports: ["9:1"] } }];

  test("denies its namespace when it has one", async () => {
    const engine = await engineWithVm();
    const metadata = { namespace: "shop", name: "p" };
    engine.objects.upsert("NetworkPolicy", { metadata, spec: { selector: "((", ingress: crooked } });
    await engine.settled();
    expect(verdicts(engine, 80)).toEqual(["deny"]);
  });

  test.each([
    ["role == 'web'", "deny"],
    ["role == 'db'", "allow"],
    [undefined, "deny"],
    ["role = 'web'", "allow"],
    [7, "allow"],
  ])("denies what its selector selects when it is global: %s", async (selector, verdict) => {
    const engine = await engineWithVm();
    engine.objects.upsert("GlobalNetworkPolicy", {
      metadata: { name: "p" },
      spec: { selector, ingress: crooked },
    });
    await engine.settled();
    expect(verdicts(engine, 80)).toEqual([verdict]);
    expect(engine.health().problems).toHaveLength(1);
  });

  test("that could be read once stays as it was", async () => {
    const engine = await engineWithVm();
    const upsert = (ingress: object[]) =>
      engine.objects.upsert("GlobalNetworkPolicy", { metadata: { name: "p" }, spec: { ingress } });
    upsert([{ action: "Allow", protocol: "TCP", destination: { ports: [80] } }]);
    upsert(crooked);
    await engine.settled();
    expect(verdicts(engine, 80, 81)).toEqual(["allow", "deny"]);
    expect(engine.health().problems).toHaveLength(1);
  });
});
