import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { PolicyEngine } from "./engine.ts";
import { createPolicyEngine } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import type { Transport } from "./testbed/frame.ts";
import { arrives, frameFrom, Testbed, type TestWorkload } from "./testbed/testbed.ts";

/**
 * Kubernetes NetworkPolicy as truth tables: for each policy, who may reach whom. Three namespaces x, y, z with pods a, b, c each, as in the
 * usual conformance suites. A row names the pods that get through to the subject; every other pod must not.
 */
const namespaceNames = ["x", "y", "z"];
const podNames = ["a", "b", "c"];
const everyPod = namespaceNames.flatMap((namespace) => podNames.map((name) => `${namespace}/${name}`));

const ports = {
  "serve-80": { name: "serve-80", protocol: "tcp", port: 80 },
  "serve-81": { name: "serve-81", protocol: "tcp", port: 81 },
  "serve-80-udp": { name: "serve-80-udp", protocol: "udp", port: 80 },
} as const;

let testbed: Testbed;
let engine: PolicyEngine;
const pods = new Map<string, TestWorkload>();
let sourcePort = 2_000;

beforeAll(async () => {
  testbed = new Testbed();
  engine = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "node",
  });
  await engine.start();
  for (const name of namespaceNames)
    engine.objects.upsert("Namespace", { metadata: { name, labels: { ns: name } } });
  for (const key of everyPod) {
    const [namespace = "", name = ""] = key.split("/");
    const workload = testbed.workload({
      id: key,
      pod: { namespace, name },
      labels: { pod: name },
      ports: Object.values(ports),
    });
    pods.set(key, workload);
    engine.endpoints.upsert(workload.endpoint);
  }
  engine.synced();
  await settled();
});

afterAll(async () => {
  await engine?.close();
  testbed?.[Symbol.dispose]();
});

const settled = () => engine.settled({ signal: AbortSignal.timeout(5_000) });

interface PolicySpec {
  readonly podSelector?: object;
  readonly policyTypes?: readonly string[];
  readonly ingress?: readonly object[];
  readonly egress?: readonly object[];
}

interface Way {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly port: number;
}

const tcp80: Way = { protocol: "tcp", port: 80 };
const tcp81: Way = { protocol: "tcp", port: 81 };
const udp80: Way = { protocol: "udp", port: 80 };
const sctp80: Way = { protocol: "sctp", port: 80 };

/** Whether a first packet gets from one pod to another, or outside (`world`), in both families alike. */
function reaches(from: string, to: string, { protocol, port }: Way): boolean {
  const verdicts = (["ipv4", "ipv6"] as const).map((family) => {
    sourcePort = 2_000 + ((sourcePort + 1) % 60_000);
    const payload: Transport = { protocol, sourcePort, destinationPort: port };
    const sender = pods.get(from) ?? testbed.uplink;
    const receiver = pods.get(to) ?? testbed.uplink;
    return arrives(
      sender,
      receiver,
      frameFrom(sender, { source: sender[family], destination: receiver[family], payload }),
    );
  });
  expect(new Set(verdicts).size, `families differ from ${from} to ${to}`).toBe(1);
  return verdicts[0] === true;
}

async function withPolicies(
  policies: Readonly<Record<string, PolicySpec>>,
  check: () => void | Promise<void>,
): Promise<void> {
  const refs = Object.keys(policies).map((key) => {
    const [namespace = "", name = ""] = key.split("/");
    return { namespace, name };
  });
  for (const [index, ref] of refs.entries()) {
    const spec = Object.values(policies)[index];
    engine.objects.upsert("KubernetesNetworkPolicy", {
      metadata: ref,
      ...{ spec: { podSelector: {}, ...spec } },
    });
  }
  try {
    await settled();
    await check();
  } finally {
    for (const ref of refs) engine.objects.remove("KubernetesNetworkPolicy", ref);
    await settled();
  }
}

interface Row {
  readonly name: string;
  readonly policies: Readonly<Record<string, PolicySpec>>;
  readonly way?: Way;
  /** Who reaches x/a. */
  readonly allowed: readonly string[];
}

const pod = (name: string) => ({ podSelector: { matchLabels: { pod: name } } });
const namespace = (name: string) => ({ namespaceSelector: { matchLabels: { ns: name } } });
const others = everyPod.filter((key) => key !== "x/a");
const inNamespaces = (...names: string[]) => others.filter((key) => names.includes(key.split("/")[0] ?? ""));
const onA = (ingress: readonly object[]): PolicySpec => ({
  podSelector: { matchLabels: { pod: "a" } },
  policyTypes: ["Ingress"],
  ingress,
});
const rule = (from?: readonly object[], portList?: readonly object[]) => ({
  ...(from ? { from } : {}),
  ...(portList ? { ports: portList } : {}),
});

const rows: readonly Row[] = [
  { name: "no policy", policies: {}, allowed: others },
  { name: "a policy elsewhere", policies: { "y/p": { policyTypes: ["Ingress"] } }, allowed: others },
  { name: "default deny ingress", policies: { "x/p": { policyTypes: ["Ingress"] } }, allowed: [] },
  {
    name: "allow all ingress",
    policies: { "x/p": { policyTypes: ["Ingress"], ingress: [{}] } },
    allowed: others,
  },
  { name: "allow all ingress, peers empty", policies: { "x/p": onA([{ from: [] }]) }, allowed: others },
  { name: "from pods b of the namespace", policies: { "x/p": onA([rule([pod("b")])]) }, allowed: ["x/b"] },
  {
    name: "from all pods of the namespace",
    policies: { "x/p": onA([rule([{ podSelector: {} }])]) },
    allowed: inNamespaces("x"),
  },
  {
    name: "from namespace y",
    policies: { "x/p": onA([rule([namespace("y")])]) },
    allowed: inNamespaces("y"),
  },
  {
    name: "from all namespaces",
    policies: { "x/p": onA([rule([{ namespaceSelector: {} }])]) },
    allowed: others,
  },
  {
    name: "from pods b in namespace y",
    policies: { "x/p": onA([rule([{ ...namespace("y"), ...pod("b") }])]) },
    allowed: ["y/b"],
  },
  {
    name: "from pods b, or namespace y",
    policies: { "x/p": onA([rule([pod("b"), namespace("y")])]) },
    allowed: ["x/b", ...inNamespaces("y")],
  },
  {
    name: "two rules add up",
    policies: { "x/p": onA([rule([pod("c")]), rule([namespace("z")])]) },
    allowed: ["x/c", ...inNamespaces("z")],
  },
  {
    name: "two policies add up",
    policies: { "x/p": onA([rule([pod("c")])]), "x/q": onA([rule([namespace("z")])]) },
    allowed: ["x/c", ...inNamespaces("z")],
  },
  {
    name: "deny and allow: the allowance wins",
    policies: { "x/deny": { policyTypes: ["Ingress"] }, "x/q": onA([rule([namespace("y")])]) },
    allowed: inNamespaces("y"),
  },
  {
    name: "namespaces by expression",
    policies: {
      "x/p": onA([
        rule([
          { namespaceSelector: { matchExpressions: [{ key: "ns", operator: "NotIn", values: ["x"] }] } },
        ]),
      ]),
    },
    allowed: inNamespaces("y", "z"),
  },
  {
    name: "pods by expression",
    policies: {
      "x/p": onA([
        rule([{ podSelector: { matchExpressions: [{ key: "pod", operator: "In", values: ["b", "c"] }] } }]),
      ]),
    },
    allowed: ["x/b", "x/c"],
  },
  {
    name: "pods without a label nobody has",
    policies: {
      "x/p": onA([
        rule([{ podSelector: { matchExpressions: [{ key: "nothing", operator: "DoesNotExist" }] } }]),
      ]),
    },
    allowed: inNamespaces("x"),
  },
  {
    name: "pods with a label nobody has",
    policies: {
      "x/p": onA([rule([{ podSelector: { matchExpressions: [{ key: "nothing", operator: "Exists" }] } }])]),
    },
    allowed: [],
  },
  {
    name: "only port 80, on 80",
    policies: { "x/p": onA([rule(undefined, [{ port: 80 }])]) },
    allowed: others,
  },
  {
    name: "only port 80, on 81",
    policies: { "x/p": onA([rule(undefined, [{ port: 80 }])]) },
    way: tcp81,
    allowed: [],
  },
  {
    name: "only TCP port 80, on UDP",
    policies: { "x/p": onA([rule(undefined, [{ port: 80, protocol: "TCP" }])]) },
    way: udp80,
    allowed: [],
  },
  {
    name: "all of UDP",
    policies: { "x/p": onA([rule(undefined, [{ protocol: "UDP" }])]) },
    way: udp80,
    allowed: others,
  },
  {
    name: "all of UDP, on TCP",
    policies: { "x/p": onA([rule(undefined, [{ protocol: "UDP" }])]) },
    allowed: [],
  },
  {
    name: "SCTP port 80",
    policies: { "x/p": onA([rule([namespace("y")], [{ protocol: "SCTP", port: 80 }])]) },
    way: sctp80,
    allowed: inNamespaces("y"),
  },
  {
    name: "SCTP port 80, on TCP",
    policies: { "x/p": onA([rule([namespace("y")], [{ protocol: "SCTP", port: 80 }])]) },
    allowed: [],
  },
  {
    name: "a range of ports, its last",
    policies: { "x/p": onA([rule(undefined, [{ port: 79, endPort: 81 }])]) },
    way: tcp81,
    allowed: others,
  },
  {
    name: "a range of ports, past its last",
    policies: { "x/p": onA([rule(undefined, [{ port: 79, endPort: 80 }])]) },
    way: tcp81,
    allowed: [],
  },
  {
    name: "a named port",
    policies: { "x/p": onA([rule(undefined, [{ port: "serve-81" }])]) },
    way: tcp81,
    allowed: others,
  },
  {
    name: "a named port, on another",
    policies: { "x/p": onA([rule(undefined, [{ port: "serve-81" }])]) },
    allowed: [],
  },
  {
    name: "a named port of another protocol",
    policies: { "x/p": onA([rule(undefined, [{ port: "serve-80-udp" }])]) },
    allowed: [],
  },
  {
    name: "a name no port has",
    policies: { "x/p": onA([rule(undefined, [{ port: "nowhere" }])]) },
    allowed: [],
  },
  {
    name: "number and name",
    policies: { "x/p": onA([rule([pod("b")], [{ port: 80 }, { port: "serve-81" }])]) },
    way: tcp81,
    allowed: ["x/b"],
  },
  {
    name: "peer and port belong together",
    policies: { "x/p": onA([rule([pod("b")], [{ port: 80 }]), rule([pod("c")], [{ port: 81 }])]) },
    way: tcp81,
    allowed: ["x/c"],
  },
  {
    name: "egress policy alone leaves ingress open",
    policies: { "x/p": { podSelector: { matchLabels: { pod: "a" } }, policyTypes: ["Egress"] } },
    allowed: others,
  },
  {
    name: "egress denied at y",
    policies: { "y/p": { policyTypes: ["Egress"] } },
    allowed: inNamespaces("x", "z"),
  },
  {
    name: "egress from y to pods a anywhere",
    policies: {
      "y/p": { policyTypes: ["Egress"], egress: [{ to: [{ namespaceSelector: {}, ...pod("a") }] }] },
    },
    allowed: others,
  },
  {
    name: "egress from y to pods b",
    policies: {
      "y/p": { policyTypes: ["Egress"], egress: [{ to: [{ namespaceSelector: {}, ...pod("b") }] }] },
    },
    allowed: inNamespaces("x", "z"),
  },
  {
    name: "egress from y to a port",
    policies: { "y/p": { policyTypes: ["Egress"], egress: [{ ports: [{ port: 81 }] }] } },
    allowed: inNamespaces("x", "z"),
  },
  {
    name: "egress from y to a named port",
    policies: { "y/p": { policyTypes: ["Egress"], egress: [{ ports: [{ port: "serve-80" }] }] } },
    allowed: others,
  },
  {
    name: "egress and ingress have to agree",
    policies: { "y/p": { policyTypes: ["Egress"], egress: [{}] }, "x/p": onA([rule([pod("b")])]) },
    allowed: ["x/b"],
  },
  {
    name: "types default to ingress",
    policies: { "x/p": { podSelector: { matchLabels: { pod: "a" } } } },
    allowed: [],
  },
  {
    name: "CIDR of one pod",
    policies: {
      "x/p": onA([rule([{ ipBlock: { cidr: "10.65.0.2/32" } }, { ipBlock: { cidr: "fd00:65::2/128" } }])]),
    },
    allowed: ["x/b"],
  },
  {
    name: "Kube-OVN ipBlock.except: an exception holds in its own block only",
    policies: {
      "x/p": onA([
        rule([
          { ipBlock: { cidr: "10.65.0.0/24", except: ["10.65.0.2/32"] } },
          { ipBlock: { cidr: "10.65.0.2/32" } },
          { ipBlock: { cidr: "fd00:65::/64", except: ["fd00:65::2/128"] } },
          { ipBlock: { cidr: "fd00:65::2/128" } },
        ]),
      ]),
    },
    allowed: others,
  },
  {
    name: "except takes away",
    policies: {
      "x/p": onA([
        rule([
          { ipBlock: { cidr: "0.0.0.0/0", except: ["10.65.0.4/30"] } },
          { ipBlock: { cidr: "::/0", except: ["fd00:65::4/126"] } },
        ]),
      ]),
    },
    allowed: others.filter((key) => everyPod.indexOf(key) < 3 || everyPod.indexOf(key) > 6),
  },
];

describe("who reaches x/a", () => {
  for (const { name, policies, way = tcp80, allowed } of rows) {
    test(`${name}: ${allowed.length} of ${others.length}`, async () => {
      await withPolicies(policies, () => {
        expect(others.filter((from) => reaches(from, "x/a", way))).toEqual(allowed);
      });
    });
  }
});

describe("changes", () => {
  test("a policy that is modified holds as it is now", async () => {
    await withPolicies({ "x/p": onA([rule([pod("b")])]) }, async () => {
      expect(reaches("x/b", "x/a", tcp80)).toBe(true);
      engine.objects.upsert("KubernetesNetworkPolicy", {
        metadata: { namespace: "x", name: "p" },
        ...{ spec: onA([rule([pod("c")])]) },
      });
      await settled();
      expect([reaches("x/b", "x/a", tcp80), reaches("x/c", "x/a", tcp80)]).toEqual([false, true]);
    });
    expect(reaches("x/b", "x/a", tcp80)).toBe(true);
  });

  test("a pod's new label counts at once, on both ends", async () => {
    await withPolicies({ "x/p": onA([rule([pod("chosen")])]) }, async () => {
      const c = pods.get("y/c")?.endpoint;
      const b = pods.get("x/b")?.endpoint;
      if (b === undefined || c === undefined) throw new Error("no such pod");
      expect(reaches("x/b", "x/a", tcp80)).toBe(false);
      engine.endpoints.upsert({ ...b, labels: { pod: "chosen" } });
      engine.endpoints.upsert({ ...c, labels: { pod: "chosen" } });
      await settled();
      expect([reaches("x/b", "x/a", tcp80), reaches("y/c", "x/a", tcp80)]).toEqual([true, false]);
      engine.endpoints.upsert(b);
      engine.endpoints.upsert(c);
      await settled();
      expect(reaches("x/b", "x/a", tcp80)).toBe(false);
    });
  });

  test("a namespace's new label counts at once", async () => {
    await withPolicies({ "x/p": onA([rule([namespace("chosen")])]) }, async () => {
      expect(reaches("z/a", "x/a", tcp80)).toBe(false);
      engine.objects.upsert("Namespace", { metadata: { name: "z", labels: { ns: "chosen" } } });
      await settled();
      expect(reaches("z/a", "x/a", tcp80)).toBe(true);
      engine.objects.upsert("Namespace", { metadata: { name: "z", labels: { ns: "z" } } });
      await settled();
      expect(reaches("z/a", "x/a", tcp80)).toBe(false);
    });
  });

  test("a pod's pretended namespace label is not believed", async () => {
    await withPolicies({ "x/p": onA([rule([namespace("chosen")])]) }, async () => {
      const b = pods.get("y/b")?.endpoint;
      if (b === undefined) throw new Error("no such pod");
      engine.endpoints.upsert({ ...b, labels: { "pcns.ns": "chosen", "projectcalico.org/namespace": "x" } });
      await settled();
      expect(reaches("y/b", "x/a", tcp80)).toBe(false);
      engine.endpoints.upsert(b);
      await settled();
    });
  });

  test("a policy that cannot be read denies, and says why", async () => {
    engine.objects.upsert("KubernetesNetworkPolicy", {
      metadata: { namespace: "x", name: "odd" },
      ...{ spec: onA([rule(undefined, [{ protocol: "QUIC" }])]) },
    });
    await settled();
    expect(reaches("x/b", "x/a", tcp80)).toBe(false);
    expect(engine.health().problems.map(({ message }) => message)).toEqual([expect.stringContaining("QUIC")]);
    engine.objects.remove("KubernetesNetworkPolicy", { namespace: "x", name: "odd" });
    await settled();
    expect(reaches("x/b", "x/a", tcp80)).toBe(true);
  });
});
