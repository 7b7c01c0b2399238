import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPolicyEngine, type PolicyEngine, type PolicySettings } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import { type Transport, tcpFlags } from "./testbed/frame.ts";
import { arrivesAtNode, HostWire } from "./testbed/host-wire.ts";
import { arrives, frameFrom, Testbed, type TestWorkload } from "./testbed/testbed.ts";

let testbed: Testbed;
let engine: PolicyEngine;
let host: HostWire;
let workload: TestWorkload;
let port = 20_000;

async function start(settings: Partial<PolicySettings> = {}): Promise<void> {
  engine = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "node",
    settings,
  });
  await engine.start();
  engine.endpoints.upsert(workload.endpoint);
  engine.synced();
  await settled();
}

async function settled(): Promise<void> {
  await engine.settled({ signal: AbortSignal.timeout(30_000) });
  expect(engine.health().problems).toEqual([]);
}

beforeEach(() => {
  testbed = new Testbed();
  host = new HostWire(testbed.node);
  workload = testbed.workload();
});

afterEach(async () => {
  await engine?.close();
  host?.[Symbol.dispose]();
  testbed?.[Symbol.dispose]();
});

const families = [
  { node: Testbed.node4, outside: "198.51.100.1", own: "ipv4" },
  { node: Testbed.node6, outside: "2001:db8:100::1", own: "ipv6" },
] as const;

const udp = (destinationPort: number): Transport => ({
  protocol: "udp",
  sourcePort: ++port,
  destinationPort,
});

/** Whether the node itself gets a packet from beyond its uplink; the same for both families. */
function reachesNode(payload: () => Transport): boolean {
  const outcomes = families.map(({ node, outside }) => {
    const frame = frameFrom(testbed.uplink, { source: outside, destination: node, payload: payload() });
    return arrivesAtNode(testbed, host, testbed.uplink, frame);
  });
  expect(new Set(outcomes).size, "both families alike").toBe(1);
  return outcomes[0] === true;
}

/** Whether a workload gets a packet from beyond the uplink. */
const forwarded = (payload: () => Transport): boolean =>
  families
    .map(({ outside, own }) =>
      arrives(
        testbed.uplink,
        workload,
        frameFrom(testbed.uplink, { source: outside, destination: workload[own], payload: payload() }),
      ),
    )
    .every((arrived) => arrived);

const hostEndpoint = (spec: object = {}, name = "uplink") => ({
  metadata: { name, labels: { role: "node" } },
  spec: { node: "node", interfaceName: "uplink", ...spec },
});

const policy = (name: string, spec: object) => ({
  metadata: { name },
  spec: { selector: "role == 'node'", ...spec },
});
const allowUdp = (ports: number[]) => [{ action: "Allow", protocol: "UDP", destination: { ports } }];

describe.each(["uplink", "*"])("a host endpoint for %s", (interfaceName) => {
  test("lets in what policy allows, failsafe ports and nothing else", async () => {
    await start();
    expect(reachesNode(() => udp(1000))).toBe(true);
    engine.objects.upsert("HostEndpoint", hostEndpoint({ interfaceName }));
    await settled();
    expect(reachesNode(() => udp(1000))).toBe(false);
    expect(reachesNode(() => udp(68))).toBe(true);
    engine.objects.upsert("GlobalNetworkPolicy", policy("p", { ingress: allowUdp([1000]) }));
    await settled();
    expect(reachesNode(() => udp(1000))).toBe(true);
    expect(reachesNode(() => udp(1001))).toBe(false);
    engine.objects.remove("HostEndpoint", { name: "uplink" });
    await settled();
    expect(reachesNode(() => udp(1001))).toBe(true);
  });

  test("leaves forwarded traffic alone until a policy applies on forward", async () => {
    await start();
    engine.objects.upsert("HostEndpoint", hostEndpoint({ interfaceName }));
    engine.objects.upsert("GlobalNetworkPolicy", policy("local", { ingress: allowUdp([1000]) }));
    await settled();
    expect(forwarded(() => udp(1001))).toBe(true);
    engine.objects.upsert(
      "GlobalNetworkPolicy",
      policy("through", { ingress: allowUdp([1002]), applyOnForward: true }),
    );
    await settled();
    expect(forwarded(() => udp(1001))).toBe(false);
    expect(forwarded(() => udp(1002))).toBe(true);
  });

  test("preDNAT policies deny what passes through and what ends here, and allow nothing by themselves", async () => {
    await start();
    engine.objects.upsert("HostEndpoint", hostEndpoint({ interfaceName }));
    engine.objects.upsert(
      "GlobalNetworkPolicy",
      policy("first", {
        preDNAT: true,
        applyOnForward: true,
        types: ["Ingress"],
        ingress: [
          { action: "Deny", protocol: "UDP", destination: { ports: [1000, 68] } },
          ...allowUdp([1001]),
        ],
      }),
    );
    await settled();
    expect(forwarded(() => udp(1000))).toBe(false);
    expect(forwarded(() => udp(1002))).toBe(true);
    expect(
      reachesNode(() => udp(68)),
      "a failsafe port",
    ).toBe(true);
    expect(reachesNode(() => udp(1001))).toBe(false);
  });
});

test("the node's own links to workloads are no part of a host endpoint for all interfaces", async () => {
  await start({ defaultEndpointToHostAction: "Accept" });
  engine.objects.upsert("HostEndpoint", hostEndpoint({ interfaceName: "*" }));
  await settled();
  const payload = udp(1000);
  const frame = frameFrom(workload, { source: workload.ipv4, destination: Testbed.node4, payload });
  expect(arrivesAtNode(testbed, host, workload, frame)).toBe(true);
});

test.each(["uplink", "*"])(
  "a doNotTrack policy for %s lets packets past connection tracking; what it does not match is judged as usual",
  async (interfaceName) => {
    await start();
    engine.objects.upsert("HostEndpoint", hostEndpoint({ interfaceName }));
    engine.objects.upsert(
      "GlobalNetworkPolicy",
      policy("fast", {
        doNotTrack: true,
        applyOnForward: true,
        ingress: [...allowUdp([1000]), { action: "Deny", protocol: "UDP", destination: { ports: [1001] } }],
      }),
    );
    engine.objects.upsert("GlobalNetworkPolicy", policy("usual", { ingress: allowUdp([1001, 1002]) }));
    await settled();
    expect(reachesNode(() => udp(1000))).toBe(true);
    expect(reachesNode(() => udp(1001))).toBe(false);
    expect(reachesNode(() => udp(1002))).toBe(true);
    expect(reachesNode(() => udp(1003))).toBe(false);
    // The answer to a failsafe port of ours is known by its source port where connections are not tracked.
    expect(
      reachesNode(() => ({ protocol: "tcp", sourcePort: 6443, destinationPort: 1001, flags: tcpFlags.syn })),
    ).toBe(false);
  },
);

test("a failsafe port can be limited to a network, and FelixConfiguration changes it while the engine runs", async () => {
  await start();
  engine.objects.upsert("HostEndpoint", hostEndpoint());
  const felix = (name: string, spec: object) =>
    engine.objects.upsert("FelixConfiguration", { metadata: { name }, spec });
  felix("default", { failsafeInboundHostPorts: [{ protocol: "UDP", port: 7000 }] });
  await settled();
  expect(reachesNode(() => udp(68))).toBe(false);
  expect(reachesNode(() => udp(7000))).toBe(true);
  felix("node.node", {
    failsafeInboundHostPorts: [
      { protocol: "udp", port: 7001, net: "198.51.100.0/24" },
      { protocol: "udp", port: 7001, net: "2001:db8:100::/48" },
      { protocol: "udp", port: 7002, net: "10.0.0.0/8" },
    ],
  });
  await settled();
  expect([7000, 7001, 7002].map((each) => reachesNode(() => udp(each)))).toEqual([false, true, false]);
  engine.objects.remove("FelixConfiguration", { name: "node.node" });
  await settled();
  expect(reachesNode(() => udp(7000))).toBe(true);
});

describe("profiles", () => {
  const spec = { ingress: allowUdp([1000]), labelsToApply: { zone: "edge" } };

  test("decide where no policy applies, and lend their labels", async () => {
    await start();
    engine.objects.upsert("Profile", { metadata: { name: "edge" }, spec });
    engine.objects.upsert("HostEndpoint", hostEndpoint({ profiles: ["none", "edge"] }));
    await settled();
    expect(reachesNode(() => udp(1000))).toBe(true);
    expect(reachesNode(() => udp(1001))).toBe(false);
    engine.objects.upsert("GlobalNetworkPolicy", {
      metadata: { name: "by-label" },
      spec: { selector: "zone == 'edge'", ingress: allowUdp([1001]) },
    });
    await settled();
    expect(reachesNode(() => udp(1000))).toBe(false);
    expect(reachesNode(() => udp(1001))).toBe(true);
    engine.objects.remove("Profile", { name: "edge" });
    await settled();
    expect(reachesNode(() => udp(1001))).toBe(false);
  });

  test("the one of automatic host endpoints allows everything", async () => {
    await start();
    engine.objects.upsert("HostEndpoint", hostEndpoint({ profiles: ["projectcalico-default-allow"] }));
    await settled();
    expect(reachesNode(() => udp(1000))).toBe(true);
  });
});

test("what the node sends is judged on its way out, answers excepted", async () => {
  await start();
  engine.objects.upsert("HostEndpoint", hostEndpoint());
  engine.objects.upsert(
    "GlobalNetworkPolicy",
    policy("p", {
      types: ["Ingress", "Egress"],
      ingress: [{ action: "Allow", protocol: "ICMP" }],
      egress: allowUdp([9998]),
    }),
  );
  await settled();
  const heardOutside = (protocol: number, matches: (body: Buffer) => boolean) => {
    for (let frame = testbed.uplink.wire.receive(); frame; frame = testbed.uplink.wire.receive())
      if (frame.readUInt16BE(12) === 0x0800 && frame[23] === protocol && matches(frame.subarray(34)))
        return true;
    return false;
  };
  const sends = (to: number) => {
    testbed.run(() => spawnSync("bash", ["-c", `echo x > /dev/udp/198.51.100.1/${to}`]));
    return heardOutside(17, (body) => body.readUInt16BE(2) === to);
  };
  expect(sends(9998)).toBe(true);
  expect(sends(9999)).toBe(false);
  expect(sends(53), "a failsafe port").toBe(true);
  const payload: Transport = { protocol: "icmp", type: 8, code: 0, rest: Buffer.alloc(8, 1) };
  testbed.uplink.wire.send(
    frameFrom(testbed.uplink, { source: "198.51.100.1", destination: Testbed.node4, payload }),
  );
  expect(heardOutside(1, (body) => body[0] === 0)).toBe(true);
});
