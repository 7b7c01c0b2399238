import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createPolicyEngine, type PolicyEngine, type PolicyKind } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import type { Transport } from "./testbed/frame.ts";
import { arrivesAtNode, HostWire } from "./testbed/host-wire.ts";
import { arrives, frameFrom, Testbed, type TestWorkload } from "./testbed/testbed.ts";

/** Milliseconds; a busy machine is no failure. */
vi.setConfig({ testTimeout: 240_000 });

/**
 * CVE-2026-33726 (GHSA-hxv8-4j4r-cqgv) and GHSA-5r23-prx4-mqg3: elsewhere one combination of options skipped a kind of policy. So every
 * combination of the options that change what is programmed meets every kind of policy, and what is forbidden must stay so.
 */
const options: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>> = {
  "to the host": ["DROP", "ACCEPT", "RETURN"].map((action) => ({ defaultEndpointToHostAction: action })),
  "deny action": [{ nftablesFilterDenyAction: "Drop" }, { nftablesFilterDenyAction: "Reject" }],
  spoofing: [{ workloadSourceSpoofing: "Disabled" }, { workloadSourceSpoofing: "Any" }],
  "conntrack check": [{ disableConntrackInvalidCheck: false }, { disableConntrackInvalidCheck: true }],
  NAT: [
    {},
    { natOutgoingExclusions: "IPPoolsAndHostIPs", natPortRange: "40000:50000" },
    { natOutgoingAddress: "203.0.113.9" },
  ],
  "marks and prefixes": [{}, { nftablesMarkMask: 0x00c0_0000, interfacePrefix: "cali,tap" }],
  failsafes: [{}, { failsafeInboundHostPorts: [], failsafeOutboundHostPorts: [] }],
};

/** Every policy allows this one, and nothing else. */
const open = 7;
const allow = { action: "Allow", protocol: "UDP", destination: { ports: [open] } };
const kubernetes = { ports: [{ protocol: "UDP", port: open }] };
const cluster = (side: "from" | "to") => [
  { action: "Accept", protocols: [{ udp: { destinationPort: { number: open } } }], [side]: [everyNamespace] },
  { action: "Deny", [side]: [everyNamespace] },
];
const everyNamespace = { namespaces: {} };

/** By kind, a policy for each direction. The subject is the workload whose label `is` has the same value. */
const policies: readonly (readonly [kind: PolicyKind, is: string, spec: object])[] = [
  [
    "KubernetesNetworkPolicy",
    "k8s-in",
    { podSelector: { matchLabels: { is: "k8s-in" } }, policyTypes: ["Ingress"], ingress: [kubernetes] },
  ],
  [
    "KubernetesNetworkPolicy",
    "k8s-out",
    { podSelector: { matchLabels: { is: "k8s-out" } }, policyTypes: ["Egress"], egress: [kubernetes] },
  ],
  ["NetworkPolicy", "calico-in", { selector: "is == 'calico-in'", types: ["Ingress"], ingress: [allow] }],
  ["NetworkPolicy", "calico-out", { selector: "is == 'calico-out'", types: ["Egress"], egress: [allow] }],
  [
    "GlobalNetworkPolicy",
    "global-in",
    { selector: "is == 'global-in'", types: ["Ingress"], ingress: [allow] },
  ],
  [
    "GlobalNetworkPolicy",
    "global-out",
    { selector: "is == 'global-out'", types: ["Egress"], egress: [allow] },
  ],
  [
    "ClusterNetworkPolicy",
    "cluster-in",
    { tier: "Admin", priority: 1, subject: pods("cluster-in"), ingress: cluster("from") },
  ],
  [
    "ClusterNetworkPolicy",
    "cluster-out",
    { tier: "Admin", priority: 2, subject: pods("cluster-out"), egress: cluster("to") },
  ],
];

function pods(is: string): object {
  return { pods: { namespaceSelector: {}, podSelector: { matchLabels: { is } } } };
}

/** Policies of the uplink, each against a port of its own. */
const deny = (port: number) => ({ action: "Deny", protocol: "UDP", destination: { ports: [port] } });
const through = { action: "Allow", protocol: "UDP", destination: { ports: [1004] } };
const uplinkPolicies: Readonly<Record<string, object>> = {
  untracked: { doNotTrack: true, applyOnForward: true, ingress: [deny(1001)] },
  "before-dnat": { preDNAT: true, applyOnForward: true, types: ["Ingress"], ingress: [deny(1002)] },
  forward: { applyOnForward: true, order: 1, ingress: [deny(1003), through] },
  local: { order: 0, ingress: [allow, deny(1004)] },
};

let testbed: Testbed;
let host: HostWire;
let engine: PolicyEngine;
let free: TestWorkload;
let stranger: TestWorkload;
const workloads = new Map<string, TestWorkload>();
const families = ["ipv4", "ipv6"] as const;
let sourcePort = 2_000;

const settled = async () => {
  await engine.settled({ signal: AbortSignal.timeout(30_000) });
  expect(engine.health().problems).toEqual([]);
};

beforeAll(async () => {
  testbed = new Testbed();
  host = new HostWire(testbed.node);
  engine = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "node",
  });
  await engine.start();
  engine.objects.upsert("Namespace", { metadata: { name: "default" } });
  engine.objects.upsert("IPPool", {
    metadata: { name: "p" },
    spec: { cidr: "10.65.0.0/16", natOutgoing: true },
  });
  for (const [kind, is, spec] of policies) {
    const namespaced = kind === "KubernetesNetworkPolicy" || kind === "NetworkPolicy";
    engine.objects.upsert(kind, {
      metadata: { name: is, ...(namespaced ? { namespace: "default" } : {}) },
      spec,
    });
    workloads.set(is, testbed.workload({ labels: { is } }));
  }
  engine.objects.upsert("HostEndpoint", {
    metadata: { name: "uplink", labels: { role: "uplink" } },
    spec: { node: "node", interfaceName: "uplink" },
  });
  for (const [name, spec] of Object.entries(uplinkPolicies))
    engine.objects.upsert("GlobalNetworkPolicy", {
      metadata: { name },
      spec: { selector: "role == 'uplink'", ...spec },
    });
  free = testbed.workload({ labels: { is: "free" } });
  stranger = testbed.workload();
  for (const { endpoint } of [free, ...workloads.values()]) engine.endpoints.upsert(endpoint);
  engine.synced();
  await settled();
});

afterAll(async () => {
  await engine?.close();
  host?.[Symbol.dispose]();
  testbed?.[Symbol.dispose]();
});

function udp(destinationPort: number): Transport {
  sourcePort = 2_000 + ((sourcePort + 1) % 60_000);
  return { protocol: "udp", sourcePort, destinationPort };
}

/** In both families; `undefined` when they differ. */
function passes(from: TestWorkload, to: TestWorkload, port: number, source = from): boolean | undefined {
  const [four, six] = families.map((family) =>
    arrives(
      from,
      to,
      frameFrom(from, { source: source[family], destination: to[family], payload: udp(port) }),
    ),
  );
  return four === six ? four : undefined;
}

function reachesNode(from: TestWorkload, port: number): boolean | undefined {
  const [four, six] = families.map((family) => {
    const destination = family === "ipv4" ? Testbed.node4 : Testbed.node6;
    const frame = frameFrom(from, { source: from[family], destination, payload: udp(port) });
    return arrivesAtNode(testbed, host, from, frame);
  });
  return four === six ? four : undefined;
}

/** What must hold whatever the options are, by name. */
function findings(): Record<string, boolean | undefined> {
  const found: Record<string, boolean | undefined> = {};
  for (const [is, workload] of workloads) {
    const [from, to] = is.endsWith("-in") ? [free, workload] : [workload, free];
    found[`${is}, the open port`] = passes(from, to, open);
    found[`${is}, another`] = passes(from, to, 8);
  }
  for (const port of [1001, 1002, 1003])
    found[`uplink to a workload, ${port}`] = passes(testbed.uplink, free, port);
  for (const port of [1001, 1002, 1004, 1005])
    found[`uplink to the node, ${port}`] = reachesNode(testbed.uplink, port);
  found["uplink to a workload, 1004"] = passes(testbed.uplink, free, 1004);
  found["uplink to the node, the open port"] = reachesNode(testbed.uplink, open);
  found["another's address"] = passes(free, testbed.uplink, open, workloads.get("k8s-in"));
  found["from an interface nobody announced"] = passes(stranger, free, open);
  found["to an interface nobody announced"] = passes(free, stranger, open);
  return found;
}

const allowed = /the open port|uplink to a workload, 1004/;

/** Every combination of the given fields. */
function combinations(names: readonly string[]): Record<string, unknown>[] {
  return names.reduce<Record<string, unknown>[]>(
    (sofar, name) => sofar.flatMap((left) => (options[name] ?? []).map((right) => ({ ...left, ...right }))),
    [{}],
  );
}

const shown = ["to the host", "deny action", "NAT"];
const rest = Object.keys(options).filter((name) => !shown.includes(name));

describe("CVE-2026-33726, GHSA-5r23-prx4-mqg3: no combination of options lets forbidden packets through", () => {
  test.each(combinations(shown))("with %j and every combination of the other options", async (first) => {
    for (const second of combinations(rest)) {
      const spec = { ...first, ...second };
      engine.objects.upsert("FelixConfiguration", { metadata: { name: "default" }, spec });
      await settled();
      const found = findings();
      const expected = Object.fromEntries(Object.keys(found).map((name) => [name, allowed.test(name)]));
      expect(found, JSON.stringify(spec)).toEqual(expected);
    }
  });
});
