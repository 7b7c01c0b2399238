import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPolicyEngine, type PolicyEngine, type PolicySettings } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import { address } from "./ruleset/value.ts";
import { arrives, frameFrom, heard, Testbed, type TestWorkload } from "./testbed/testbed.ts";

/** What broke elsewhere, each under the name it is known by. More of them stand in the other kernel tests. */
let testbed: Testbed;
let engine: PolicyEngine;
let a: TestWorkload;
let b: TestWorkload;

const udp = { protocol: "udp", sourcePort: 4000, destinationPort: 5000 } as const;
const nft = (...command: string[]) => testbed.run(() => execFileSync("nft", command, { encoding: "utf8" }));
const settled = () => engine.settled({ signal: AbortSignal.timeout(30_000) });

async function start(settings: Partial<PolicySettings> = {}): Promise<void> {
  engine = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "node",
    settings,
  });
  await engine.start();
  for (const { endpoint } of [a, b]) engine.endpoints.upsert(endpoint);
  engine.synced();
  await settled();
}

beforeEach(() => {
  testbed = new Testbed();
  a = testbed.workload();
  b = testbed.workload();
});

afterEach(async () => {
  await engine?.close();
  testbed?.[Symbol.dispose]();
});

test("CVE-2025-64715: an empty set of networks matches nothing, not everything", async () => {
  await start();
  engine.objects.upsert("ClusterNetworkPolicy", {
    metadata: { name: "only-the-empty-set" },
    spec: {
      tier: "Admin",
      priority: 1,
      subject: { namespaces: {} },
      egress: [
        { action: "Accept", to: [{ networks: [] }] },
        { action: "Deny", to: [{ networks: ["0.0.0.0/0", "::/0"] }] },
      ],
    },
  });
  await settled();
  for (const family of ["ipv4", "ipv6"] as const) {
    expect(
      arrives(a, b, frameFrom(a, { source: a[family], destination: b[family], payload: udp })),
      family,
    ).toBe(false);
  }
});

test("a network set without networks selects nobody", async () => {
  await start();
  engine.objects.upsert("GlobalNetworkSet", {
    metadata: { name: "none", labels: { set: "none" } },
    spec: { nets: [] },
  });
  engine.objects.upsert("GlobalNetworkPolicy", {
    metadata: { name: "from-none" },
    spec: {
      selector: "all()",
      types: ["Ingress"],
      ingress: [{ action: "Allow", source: { selector: "set == 'none'" } }],
    },
  });
  await settled();
  expect(arrives(a, b, frameFrom(a, { source: a.ipv4, destination: b.ipv4, payload: udp }))).toBe(false);
});

test("CVE-2025-67499: a port goes with its address, and says nothing about the same port elsewhere", async () => {
  await start();
  engine.objects.upsert("GlobalNetworkPolicy", {
    metadata: { name: "one-address" },
    spec: {
      selector: "all()",
      types: ["Egress"],
      egress: [{ action: "Allow", protocol: "UDP", destination: { nets: [`${b.ipv4}/32`], ports: [5000] } }],
    },
  });
  await settled();
  const to = (receiver: TestWorkload, destinationPort: number) =>
    arrives(
      a,
      receiver,
      frameFrom(a, {
        source: a.ipv4,
        destination: receiver.ipv4,
        payload: { ...udp, destinationPort },
      }),
    );
  expect(to(b, 5000)).toBe(true);
  expect(to(b, 5001)).toBe(false);
  expect(to(testbed.uplink, 5000)).toBe(false);
});

test("CVE-2022-28224: source prefixes that an annotation asks for count only while FelixConfiguration says so", async () => {
  const prefixes = ["203.0.113.0/24", "2001:db8:ff::/48"];
  a = { ...a, endpoint: { ...a.endpoint, allowedSourcePrefixes: prefixes } };
  await start();
  const sends = (four: string, six: string) =>
    [four, six].map((source) => {
      const destination = source.includes(":") ? b.ipv6 : b.ipv4;
      return arrives(a, b, frameFrom(a, { source, destination, payload: udp }));
    });
  const spoofing = async (workloadSourceSpoofing: string) => {
    engine.objects.upsert("FelixConfiguration", {
      metadata: { name: "default" },
      spec: { workloadSourceSpoofing },
    });
    await settled();
  };
  expect(sends("203.0.113.5", "2001:db8:ff::5")).toEqual([false, false]);
  await spoofing("Any");
  expect(sends("203.0.113.5", "2001:db8:ff::5")).toEqual([true, true]);
  expect(sends("203.0.112.5", "2001:db8:fe::5")).toEqual([false, false]);
  await spoofing("Disabled");
  expect(sends("203.0.113.5", "2001:db8:ff::5")).toEqual([false, false]);
});

test("source prefixes of one annotation may repeat, touch and contain each other", async () => {
  await start({ workloadSourceSpoofing: "Any" });
  const sends = () =>
    ["203.0.113.5", "203.0.112.5", "2001:db8:ff::5", "2001:db8:fe::5"].map((source) => {
      const destination = source.includes(":") ? b.ipv6 : b.ipv4;
      return arrives(a, b, frameFrom(a, { source, destination, payload: udp }));
    });
  const allow = async (...allowedSourcePrefixes: string[]) => {
    engine.endpoints.upsert({ ...a.endpoint, allowedSourcePrefixes });
    await settled();
  };
  await allow("203.0.113.0/24", "203.0.113.0/24", "203.0.113.0/25", "2001:db8:ff::/48", "2001:db8:ff::1/64");
  expect(sends()).toEqual([true, false, true, false]);
  await allow("203.0.112.0/24", "203.0.113.0/24", "2001:db8:ff::/48", "2001:db8::/32");
  expect(sends()).toEqual([true, true, true, true]);
  await allow("203.0.113.5/32", "2001:db8:ff::5/128");
  expect(sends()).toEqual([true, false, true, false]);
});

test("CVE-2019-9946: rules of others stay as and where they are", async () => {
  nft("add", "table", "inet", "theirs");
  nft("add", "chain", "inet", "theirs", "forward", "{ type filter hook forward priority 0; policy accept; }");
  nft("add", "rule", "inet", "theirs", "forward", "udp", "dport", "7", "drop");
  const before = nft("list", "table", "inet", "theirs");
  await start();
  engine.endpoints.remove(a.endpoint.id);
  await settled();
  await engine.close();
  await start();
  expect(nft("list", "table", "inet", "theirs")).toBe(before);
});

describe("outgoing address translation", () => {
  const source = (frames: readonly Buffer[]) =>
    frames
      .filter((frame) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 17)
      .map((frame) => frame.subarray(26, 30).join("."));
  const toWorld = () => frameFrom(a, { source: a.ipv4, destination: testbed.uplink.ipv4, payload: udp });
  const pool = (natOutgoing: boolean) => ({
    metadata: { name: "pool" },
    spec: { cidr: "10.65.0.0/16", natOutgoing },
  });

  test("hides a pool that asks for it, and VMs' pools that do not keep their address", async () => {
    await start();
    engine.objects.upsert("IPPool", pool(false));
    await settled();
    expect(source(heard(a, testbed.uplink, toWorld()))).toEqual([a.ipv4]);
    engine.objects.upsert("IPPool", pool(true));
    await settled();
    const fresh = frameFrom(a, {
      source: a.ipv4,
      destination: testbed.uplink.ipv4,
      payload: { ...udp, sourcePort: 4001 },
    });
    expect(source(heard(a, testbed.uplink, fresh))).toEqual([Testbed.node4]);
  });

  test("hides and spares in IPv6 alike", async () => {
    await start();
    engine.objects.upsert("IPPool", {
      metadata: { name: "pool6" },
      spec: { cidr: "fd00:65::/64", natOutgoing: true },
    });
    await settled();
    const sources = (to: TestWorkload) =>
      heard(a, to, frameFrom(a, { source: a.ipv6, destination: to.ipv6, payload: udp }))
        .filter((frame) => frame.readUInt16BE(12) === 0x86dd && frame[20] === 17)
        .map((frame) => frame.toString("hex", 22, 38));
    expect(sources(testbed.uplink)).toEqual([address(Testbed.node6)]);
    expect(sources(b)).toEqual([address(a.ipv6)]);
  });

  test("leaves traffic between pools alone", async () => {
    await start();
    engine.objects.upsert("IPPool", pool(true));
    await settled();
    expect(source(heard(a, b, frameFrom(a, { source: a.ipv4, destination: b.ipv4, payload: udp })))).toEqual([
      a.ipv4,
    ]);
  });

  test("spares the nodes when FelixConfiguration asks for that", async () => {
    await start();
    engine.objects.upsert("IPPool", pool(true));
    engine.objects.upsert("Node", {
      metadata: { name: "other" },
      status: { addresses: [{ type: "InternalIP", address: testbed.uplink.ipv4 }] },
    });
    await settled();
    expect(source(heard(a, testbed.uplink, toWorld()))).toEqual([Testbed.node4]);
    engine.objects.upsert("FelixConfiguration", {
      metadata: { name: "default" },
      spec: { natOutgoingExclusions: "IPPoolsAndHostIPs" },
    });
    await settled();
    const payload = { ...udp, sourcePort: 4002 };
    const again = frameFrom(a, { source: a.ipv4, destination: testbed.uplink.ipv4, payload });
    expect(source(heard(a, testbed.uplink, again))).toEqual([a.ipv4]);
  });

  test("uses the address and ports it is given", async () => {
    await start({ natOutgoingAddress: "203.0.113.9", natPortRange: [50_000, 50_010] });
    engine.objects.upsert("IPPool", pool(true));
    await settled();
    const frames = heard(a, testbed.uplink, toWorld()).filter((frame) => frame.readUInt16BE(12) === 0x0800);
    expect(source(frames)).toEqual(["203.0.113.9"]);
    expect(frames[0]?.readUInt16BE(34)).toBeGreaterThanOrEqual(50_000);
    expect(frames[0]?.readUInt16BE(34)).toBeLessThanOrEqual(50_010);
  });
});
