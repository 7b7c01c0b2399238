import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createPolicyEngine, type PolicyEngine, type PolicyKind, type PolicyObject } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import type { FloodPlan, FloodReport } from "./testbed/flood.ts";
import { arrives, frameFrom, Testbed, type TestWorkload } from "./testbed/testbed.ts";

let testbed: Testbed;
let engine: PolicyEngine;
let server: TestWorkload;
let friend: TestWorkload;
let enemy: TestWorkload;
let stranger: TestWorkload;

const serve: PolicyObject = {
  metadata: { namespace: "default", name: "serve" },
  spec: {
    podSelector: { matchLabels: { role: "server" } },
    policyTypes: ["Ingress"],
    ingress: [{ from: [{ podSelector: { matchLabels: { role: "friend" } } }], ports: [{ port: 80 }] }],
  },
};

/** The uplink may reach port 82 as far as the server's own policy goes; the node's host endpoint is what forbids it. */
const fromOutside: PolicyObject = {
  metadata: { namespace: "default", name: "from-outside" },
  spec: {
    podSelector: { matchLabels: { role: "server" } },
    policyTypes: ["Ingress"],
    ingress: [
      {
        from: [{ ipBlock: { cidr: "192.0.2.0/24" } }, { ipBlock: { cidr: "2001:db8::/64" } }],
        ports: [{ port: 80 }, { port: 82 }],
      },
    ],
  },
};
const uplink = (labels: Record<string, string> = {}): PolicyObject => ({
  metadata: { name: "uplink", labels: { role: "uplink", ...labels } },
  spec: { node: "node", interfaceName: "uplink" },
});
const through: PolicyObject = {
  metadata: { name: "through" },
  spec: {
    selector: "role == 'uplink'",
    applyOnForward: true,
    types: ["Ingress"],
    ingress: [{ action: "Allow", protocol: "TCP", destination: { ports: [80] } }],
  },
};
const objects: readonly (readonly [PolicyKind, PolicyObject])[] = [
  ["KubernetesNetworkPolicy", serve],
  ["KubernetesNetworkPolicy", fromOutside],
  ["HostEndpoint", uplink()],
  ["GlobalNetworkPolicy", through],
];

/** Generous: processes have to start beside a flood, perhaps on a busy machine. */
const limit = () => ({ signal: AbortSignal.timeout(60_000) });
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });
const path = (name: string) => fileURLToPath(new URL(`./testbed/${name}.ts`, import.meta.url));
const fdPath = (fd: number) => `/proc/${process.pid}/fd/${fd}`;

async function start(options: { exclusive?: boolean } = {}): Promise<PolicyEngine> {
  const dataplane = createNftablesDataplane({ netns: testbed.node, ...options });
  const fresh = createPolicyEngine({ dataplane, nodeName: "node", watchInterval: 20 });
  await fresh.start();
  for (const [kind, object] of objects) fresh.objects.upsert(kind, object);
  for (const { endpoint } of [server, friend, enemy]) fresh.endpoints.upsert(endpoint);
  fresh.synced();
  await fresh.settled(limit());
  return fresh;
}

beforeEach(async () => {
  testbed = new Testbed();
  server = testbed.workload({ labels: { role: "server" } });
  friend = testbed.workload({ labels: { role: "friend" } });
  enemy = testbed.workload({ labels: { role: "enemy" } });
  stranger = testbed.workload();
  engine = await start();
});

afterEach(async () => {
  await engine?.close();
  testbed?.[Symbol.dispose]();
});

/** Probes in another process while `action` runs. */
async function underFlood(action: () => Promise<void>): Promise<FloodReport> {
  const plan: FloodPlan = {
    namespace: fdPath(testbed.far.fd),
    receiver: server,
    allowed: [friend, testbed.uplink],
    forbidden: [
      { from: enemy, port: 80 },
      { from: friend, port: 81 },
      { from: stranger, port: 80 },
      { from: testbed.uplink, port: 82 },
    ],
  };
  const child = spawn(process.execPath, [path("flood"), JSON.stringify(plan, endsOnly)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    await said(child, "flooding");
    const output = text(child.stdout as NodeJS.ReadableStream);
    await action();
    child.stdin?.end();
    return JSON.parse(await output);
  } finally {
    child.kill("SIGKILL");
  }
}

/** Workloads hold sockets, which do not travel. */
const endsOnly = (key: string, value: unknown) =>
  ["wire", "near", "endpoint"].includes(key) ? undefined : value;

async function said(child: ChildProcess, word: string): Promise<void> {
  const [chunk] = await once(child.stdout as NodeJS.ReadableStream, "data", limit());
  expect(String(chunk).trim()).toBe(word);
}

function expectNoGap(report: FloodReport): void {
  expect(report).toMatchObject({ forbiddenArrived: 0, allowedLost: 0, establishedLost: 0 });
  expect(report.forbiddenSent).toBeGreaterThan(100);
  expect(report.establishedSent).toBeGreaterThan(30);
}

describe("no forbidden packet passes and no connection breaks", () => {
  test("Kube-OVN ACL update: while policies change", async () => {
    const report = await underFlood(async () => {
      for (let count = 0; count < 100; count++) {
        engine.objects.upsert("KubernetesNetworkPolicy", {
          metadata: { namespace: "default", name: `extra-${count % 7}` },
          spec: {
            podSelector: {},
            policyTypes: ["Ingress"],
            ingress: [{ from: [{ ipBlock: { cidr: `203.0.113.${count % 256}/32` } }] }],
          },
        });
        engine.objects.upsert("KubernetesNetworkPolicy", serve);
        engine.objects.upsert("HostEndpoint", uplink({ count: String(count) }));
        if (count % 5 === 0) engine.objects.upsert("GlobalNetworkPolicy", through);
        if (count % 3 === 0)
          engine.objects.remove("KubernetesNetworkPolicy", {
            namespace: "default",
            name: `extra-${(count + 3) % 7}`,
          });
        if (count % 10 === 0)
          engine.endpoints.upsert({ ...server.endpoint, labels: { role: "server", count: String(count) } });
        await engine.settled(limit());
      }
    });
    expectNoGap(report);
  });

  test("GHSA-r5x6-w42p-jhpp: while the agent restarts", async () => {
    const report = await underFlood(async () => {
      for (let count = 0; count < 20; count++) {
        await engine.close();
        engine = await start();
      }
    });
    expectNoGap(report);
  });

  test("Cilium #47880: after a restart the rules are the ones a new agent makes", async () => {
    const list = () =>
      testbed
        .run(() => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }))
        .split("\n")
        .sort();
    const before = list();
    await engine.close();
    engine = await start();
    expect(list()).toEqual(before);
  });

  test("while the agent is killed in the middle of changes", async () => {
    const plan = { endpoints: [server, friend, enemy].map(({ endpoint }) => endpoint), objects };
    const report = await underFlood(async () => {
      for (let count = 0; count < 3; count++) {
        await engine.close();
        const agent = spawn(
          process.execPath,
          [path("agent"), fdPath(testbed.node.fd), JSON.stringify(plan)],
          { stdio: ["ignore", "pipe", "inherit"] },
        );
        await said(agent, "ready");
        const gone = once(agent, "exit");
        agent.kill("SIGKILL");
        await gone;
        engine = await start();
      }
    });
    expectNoGap(report);
  });

  test("CVE-2025-54410: while others flush and delete tables", async () => {
    const report = await underFlood(async () => {
      for (let count = 0; count < 5; count++) {
        for (const command of [
          ["flush", "ruleset"],
          ["delete", "table", "inet", "fairlead"],
          ["flush", "table", "arp", "fairlead"],
        ]) {
          testbed.run(() => {
            try {
              execFileSync("nft", command, { stdio: "pipe" });
            } catch {
              // Refused, as it should be.
            }
          });
        }
      }
    });
    expectNoGap(report);
  });
});

describe("a kernel that cannot lock our tables", () => {
  const forbidden = () =>
    arrives(
      enemy,
      server,
      frameFrom(enemy, {
        source: enemy.ipv4,
        destination: server.ipv4,
        payload: { protocol: "udp", sourcePort: 4000, destinationPort: 80 },
      }),
    );

  test.each([
    ["a flushed ruleset", ["flush", "ruleset"]],
    ["a flushed chain", ["flush", "chain", "inet", "fairlead", "forward-to-workload"]],
    ["an added rule", ["insert", "rule", "inet", "fairlead", "to-workload-dispatch", "accept"]],
    ["an added element", ["add", "element", "inet", "fairlead", "workload-interfaces", "{ cali99 }"]],
  ])("%s is noticed and repaired", async (_name, command) => {
    // Ownership ends with the socket, so a new engine without it takes over.
    await engine.close();
    testbed.run(() => execFileSync("nft", ["flush", "ruleset"]));
    engine = await start({ exclusive: false });
    expect(forbidden()).toBe(false);
    testbed.run(() => execFileSync("nft", command));
    await expect.poll(() => engine.health().repairs, { timeout: 60_000 }).toBeGreaterThan(0);
    await engine.settled(limit());
    expect(forbidden()).toBe(false);
    const rules = testbed.run(() => execFileSync("nft", ["list", "ruleset"], { encoding: "utf8" }));
    expect(rules).not.toContain("cali99");
  });
});
