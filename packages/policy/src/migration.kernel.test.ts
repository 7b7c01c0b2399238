import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EndpointState } from "./endpoint.ts";
import { createPolicyEngine, type PolicyEngine } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import { tcpFlags } from "./testbed/frame.ts";
import { arrives, frameFrom, Testbed, type TestWorkload } from "./testbed/testbed.ts";

/** A VM that serves port 80 to the world and may itself open connections to nobody. */
let testbed: Testbed;
let engine: PolicyEngine;
let vm: TestWorkload;
const deadline = () => ({ signal: AbortSignal.timeout(30_000) });

beforeEach(async () => {
  testbed = new Testbed();
  vm = testbed.workload();
  engine = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "target",
  });
  await engine.start();
  engine.objects.upsert("KubernetesNetworkPolicy", {
    metadata: { namespace: "default", name: "serve-only" },
    ...{
      spec: {
        podSelector: {},
        policyTypes: ["Ingress", "Egress"],
        ingress: [
          {
            from: [{ ipBlock: { cidr: "192.0.2.0/24" } }, { ipBlock: { cidr: "2001:db8::/64" } }],
            ports: [{ port: 80 }],
          },
        ],
      },
    },
  });
  engine.synced();
});

afterEach(async () => {
  await engine?.close();
  testbed?.[Symbol.dispose]();
});

async function become(state: EndpointState): Promise<void> {
  engine.endpoints.upsert({ ...vm.endpoint, state });
  await engine.ready(vm.endpoint.id, deadline());
}

const families = ["ipv4", "ipv6"] as const;

function fromGuest(
  family: (typeof families)[number],
  sourcePort: number,
  destinationPort: number,
  flags: number,
): boolean {
  const frame = frameFrom(vm, {
    source: vm[family],
    destination: testbed.uplink[family],
    payload: {
      protocol: "tcp",
      sourcePort,
      destinationPort,
      flags,
      acknowledge: 7,
      data: Buffer.from("stream"),
    },
  });
  return arrives(vm, testbed.uplink, frame);
}

describe.each(families)("connections that arrive with a VM, %s", (family) => {
  test("the guest's data segment goes on, although only the client may open the connection", async () => {
    await become("arriving");
    expect(fromGuest(family, 80, 40_001, tcpFlags.ack | tcpFlags.psh)).toBe(true);
  });

  test("the client's data segment goes on", async () => {
    await become("arriving");
    const frame = frameFrom(testbed.uplink, {
      source: testbed.uplink[family],
      destination: vm[family],
      payload: {
        protocol: "tcp",
        sourcePort: 40_002,
        destinationPort: 80,
        flags: tcpFlags.ack,
        acknowledge: 7,
      },
    });
    expect(arrives(testbed.uplink, vm, frame)).toBe(true);
  });

  test("a connection that ends first thing is ended on both sides: FIN and RST pass", async () => {
    await become("arriving");
    expect(fromGuest(family, 80, 40_003, tcpFlags.ack | tcpFlags.fin)).toBe(true);
    expect(fromGuest(family, 80, 40_004, tcpFlags.ack | tcpFlags.rst)).toBe(true);
  });

  test("the guest opens no connection it might not open elsewhere", async () => {
    await become("arriving");
    expect(fromGuest(family, 40_005, 80, tcpFlags.syn)).toBe(false);
    expect(fromGuest(family, 80, 40_006, tcpFlags.syn)).toBe(false);
    expect(fromGuest(family, 80, 40_007, tcpFlags.syn | tcpFlags.ack)).toBe(false);
  });

  test("segments that answer nothing that is allowed are dropped", async () => {
    await become("arriving");
    expect(fromGuest(family, 81, 40_008, tcpFlags.ack)).toBe(false);
  });

  test("when the VM has settled, what passed on arrival goes on and nothing new gets through", async () => {
    await become("arriving");
    expect(fromGuest(family, 80, 40_009, tcpFlags.ack)).toBe(true);
    const answer = frameFrom(testbed.uplink, {
      source: testbed.uplink[family],
      destination: vm[family],
      payload: {
        protocol: "tcp",
        sourcePort: 40_009,
        destinationPort: 80,
        flags: tcpFlags.ack,
        sequence: 7,
        acknowledge: 1006,
      },
    });
    expect(arrives(testbed.uplink, vm, answer)).toBe(true);
    await become("running");
    expect(fromGuest(family, 80, 40_009, tcpFlags.ack)).toBe(true);
    expect(fromGuest(family, 80, 40_010, tcpFlags.ack)).toBe(false);
  });
});

/** The node's uplink has a policy of its own for what it forwards: in to port 80, out to port 443. */
describe.each(families)("connections that arrive through a host endpoint, %s", (family) => {
  const allow = (...ports: number[]) => [{ action: "Allow", protocol: "TCP", destination: { ports } }];
  let port = 41_000;

  beforeEach(async () => {
    engine.objects.upsert("HostEndpoint", {
      metadata: { name: "uplink", labels: { role: "uplink" } },
      spec: { node: "target", interfaceName: "uplink" },
    });
    engine.objects.upsert("GlobalNetworkPolicy", {
      metadata: { name: "through" },
      spec: {
        selector: "role == 'uplink'",
        applyOnForward: true,
        types: ["Ingress", "Egress"],
        ingress: allow(80),
        egress: allow(443),
      },
    });
    engine.objects.upsert("KubernetesNetworkPolicy", {
      metadata: { namespace: "default", name: "ask" },
      ...{
        spec: {
          podSelector: {},
          policyTypes: ["Ingress", "Egress"],
          ingress: [{ ports: [{ port: 81 }] }],
          egress: [{ ports: [{ port: 443 }, { port: 444 }] }],
        },
      },
    });
  });

  function toGuest(sourcePort: number, destinationPort: number, flags: number): boolean {
    const frame = frameFrom(testbed.uplink, {
      source: testbed.uplink[family],
      destination: vm[family],
      payload: { protocol: "tcp", sourcePort, destinationPort, flags, acknowledge: 7 },
    });
    return arrives(testbed.uplink, vm, frame);
  }

  test("the guest goes on answering a client that the uplink lets in", async () => {
    await become("arriving");
    expect(fromGuest(family, 80, ++port, tcpFlags.ack | tcpFlags.psh)).toBe(true);
    expect(fromGuest(family, 81, ++port, tcpFlags.ack), "a port that only the VM's policy opens").toBe(false);
    expect(fromGuest(family, 80, ++port, tcpFlags.syn)).toBe(false);
  });

  test("a server that the guest may ask goes on answering", async () => {
    await become("arriving");
    expect(toGuest(443, ++port, tcpFlags.ack | tcpFlags.psh)).toBe(true);
    expect(toGuest(444, ++port, tcpFlags.ack), "a port that only the VM's policy opens").toBe(false);
    expect(toGuest(443, ++port, tcpFlags.syn)).toBe(false);
  });

  test("new connections are judged as ever, and after arrival segments in midstream as new ones", async () => {
    await become("arriving");
    expect(toGuest(++port, 80, tcpFlags.syn)).toBe(true);
    expect(toGuest(++port, 81, tcpFlags.syn)).toBe(false);
    expect(fromGuest(family, ++port, 443, tcpFlags.syn)).toBe(true);
    await become("running");
    expect(fromGuest(family, 80, ++port, tcpFlags.ack)).toBe(false);
    expect(toGuest(443, ++port, tcpFlags.ack)).toBe(false);
  });

  test("while something arrives, a change of the uplink's policy holds for answers, too", async () => {
    await become("arriving");
    engine.objects.upsert("GlobalNetworkPolicy", {
      metadata: { name: "through" },
      spec: { selector: "role == 'uplink'", applyOnForward: true, ingress: allow(82) },
    });
    await engine.settled(deadline());
    expect(fromGuest(family, 80, ++port, tcpFlags.ack)).toBe(true);
    engine.objects.upsert("GlobalNetworkPolicy", {
      metadata: { name: "through" },
      spec: {
        selector: "role == 'uplink'",
        applyOnForward: true,
        types: ["Ingress", "Egress"],
        ingress: allow(82),
      },
    });
    await engine.settled(deadline());
    expect(fromGuest(family, 80, ++port, tcpFlags.ack)).toBe(false);
  });
});
