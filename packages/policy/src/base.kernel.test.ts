import { execFileSync } from "node:child_process";
import { writeSysctl } from "@fairlead/netlink";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPolicyEngine, type PolicyEngine } from "./index.ts";
import { createNftablesDataplane } from "./nftables.ts";
import { buildArp, neighbourBody } from "./testbed/frame.ts";
import { arrives, frameFrom, heard, hostMac, Testbed, type TestWorkload } from "./testbed/testbed.ts";

let testbed: Testbed;
let engine: PolicyEngine;
let a: TestWorkload;
let b: TestWorkload;
/** An interface like a workload's that nobody announced. */
let stranger: TestWorkload;

const udp = { protocol: "udp", sourcePort: 4000, destinationPort: 5000 } as const;
const deadline = () => ({ signal: AbortSignal.timeout(30_000) });

async function startEngine(): Promise<PolicyEngine> {
  const fresh = createPolicyEngine({
    dataplane: createNftablesDataplane({ netns: testbed.node }),
    nodeName: "node",
  });
  await fresh.start();
  return fresh;
}

beforeEach(async () => {
  testbed = new Testbed();
  a = testbed.workload();
  b = testbed.workload();
  stranger = testbed.workload();
  engine = await startEngine();
  engine.synced();
  for (const { endpoint } of [a, b]) engine.endpoints.upsert(endpoint);
  for (const { endpoint } of [a, b]) await engine.ready(endpoint.id, deadline());
});

afterEach(async () => {
  await engine?.close();
  testbed?.[Symbol.dispose]();
});

const packets = (from: TestWorkload, to: TestWorkload) =>
  [
    ["IPv4", frameFrom(from, { source: from.ipv4, destination: to.ipv4, payload: udp })],
    ["IPv6", frameFrom(from, { source: from.ipv6, destination: to.ipv6, payload: udp })],
  ] as const;

describe("fail closed", () => {
  test("a workload without policy reaches another and the world, in both families", () => {
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(true);
    for (const [family, frame] of packets(a, testbed.uplink))
      expect(arrives(a, testbed.uplink, frame), family).toBe(true);
    for (const [family, frame] of packets(testbed.uplink, b))
      expect(arrives(testbed.uplink, b, frame), family).toBe(true);
  });

  test("an interface nobody announced neither sends nor receives", () => {
    for (const [family, frame] of packets(stranger, b))
      expect(arrives(stranger, b, frame), family).toBe(false);
    for (const [family, frame] of packets(a, stranger))
      expect(arrives(a, stranger, frame), family).toBe(false);
    for (const [family, frame] of packets(testbed.uplink, stranger)) {
      expect(arrives(testbed.uplink, stranger, frame), family).toBe(false);
    }
  });

  test("the rules stay in force when the agent is gone", async () => {
    await engine.close();
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(true);
    for (const [family, frame] of packets(stranger, b))
      expect(arrives(stranger, b, frame), family).toBe(false);
  });

  test("a new agent leaves known workloads alone until it knows everything, then removes what is gone", async () => {
    await engine.close();
    engine = await startEngine();
    engine.endpoints.upsert(b.endpoint);
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(true);
    engine.synced();
    await engine.ready(b.endpoint.id, deadline());
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(false);
    for (const [family, frame] of packets(testbed.uplink, b))
      expect(arrives(testbed.uplink, b, frame), family).toBe(true);
  });

  test("an endpoint that is down or removed passes nothing", async () => {
    engine.endpoints.upsert({ ...b.endpoint, state: "down" });
    await engine.ready(b.endpoint.id, deadline());
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(false);
    engine.endpoints.upsert(b.endpoint);
    await engine.ready(b.endpoint.id, deadline());
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(true);
    engine.endpoints.remove(b.endpoint.id);
    await expect.poll(() => packets(a, b).some(([, frame]) => arrives(a, b, frame))).toBe(false);
  });

  test("waiting for an endpoint that is not there is refused", async () => {
    await expect(engine.ready("nobody")).rejects.toMatchObject({ code: "UnknownEndpoint" });
  });
});

describe("a workload speaks only for itself", () => {
  test("a packet from another's address is dropped", () => {
    const stolen4 = frameFrom(a, { source: "10.65.0.99", destination: b.ipv4, payload: udp });
    const stolen6 = frameFrom(a, { source: "fd00:65::99", destination: b.ipv6, payload: udp });
    expect(arrives(a, b, stolen4)).toBe(false);
    expect(arrives(a, b, stolen6)).toBe(false);
  });

  test("a packet with another MAC is dropped, and a VM that moved may use its own", async () => {
    const moved = { ...a, mac: "02:99:99:99:99:99" };
    for (const [family, frame] of packets(moved, b)) expect(arrives(a, b, frame), family).toBe(false);
    engine.endpoints.upsert({ ...a.endpoint, macs: [a.mac, moved.mac] });
    await engine.ready(a.endpoint.id, deadline());
    for (const [family, frame] of packets(moved, b)) expect(arrives(a, b, frame), family).toBe(true);
  });

  test("no address is not any address", async () => {
    engine.endpoints.upsert({ ...a.endpoint, addresses: [] });
    await engine.ready(a.endpoint.id, deadline());
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(false);
  });

  test("the packets of a migration target pass without a route back", async () => {
    const link = testbed.links();
    const linkIndex = link.links.get(a.endpoint.interfaceName)?.index ?? 0;
    link.routes.delete({ destination: `${a.ipv4}/32`, linkIndex });
    link.routes.delete({ destination: `${a.ipv6}/128`, linkIndex });
    for (const [family, frame] of packets(a, b)) expect(arrives(a, b, frame), family).toBe(true);
  });

  test("CVE-2020-10749: router advertisements and DHCP answers do not leave a workload", async () => {
    writeSysctl(["ipv6", "conf", "all", "accept_ra"], "2", { netns: testbed.node });
    const routes = () => testbed.links().routes.list({ family: 6 }).length;
    const before = routes();
    const linkLocal = "fe80::1";
    const ra = Buffer.concat([
      Buffer.from([64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]),
      // Prefix information: 2001:db8:bad::/64, on link, autonomous.
      Buffer.from([3, 4, 64, 0xc0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 0]),
      Buffer.from("20010db80bad00000000000000000000", "hex"),
    ]);
    const sent = frameFrom(a, {
      source: linkLocal,
      destination: "ff02::1",
      hopLimit: 255,
      payload: { protocol: "icmp", type: 134, code: 0, rest: ra },
    });
    heard(a, b, sent);
    expect(routes()).toBe(before);
    const dhcp = { protocol: "udp", sourcePort: 67, destinationPort: 68 } as const;
    expect(arrives(a, b, frameFrom(a, { source: a.ipv4, destination: b.ipv4, payload: dhcp }))).toBe(false);
    const dhcp6 = { protocol: "udp", sourcePort: 547, destinationPort: 546 } as const;
    expect(arrives(a, b, frameFrom(a, { source: a.ipv6, destination: b.ipv6, payload: dhcp6 }))).toBe(false);
  });

  test("a claim to another's address reaches nobody's neighbour table", () => {
    const linkIndex = testbed.links().links.get(a.endpoint.interfaceName)?.index ?? 0;
    writeSysctl(["ipv4", "conf", "all", "arp_accept"], "1", { netns: testbed.node });
    heard(
      a,
      b,
      buildArp({
        operation: 1,
        senderMac: a.mac,
        senderIp: "10.65.0.99",
        targetMac: "00:00:00:00:00:00",
        targetIp: "10.65.0.99",
        destinationMac: "ff:ff:ff:ff:ff:ff",
      }),
    );
    heard(
      a,
      b,
      frameFrom(a, {
        source: "fe80::1",
        destination: "ff02::1",
        hopLimit: 255,
        payload: { protocol: "icmp", type: 136, code: 0, rest: neighbourBody("fd00:65::99", 0x20000000) },
      }),
    );
    const learned = testbed
      .links()
      .neighbours.list({ linkIndex })
      .map((entry) => entry.address);
    expect(learned).not.toContain("10.65.0.99");
    expect(learned).not.toContain("fd00:65::99");
  });
});

describe("address probes", () => {
  const probe = (target: string) =>
    buildArp({
      operation: 1,
      senderMac: a.mac,
      senderIp: "0.0.0.0",
      targetMac: "00:00:00:00:00:00",
      targetIp: target,
      destinationMac: "ff:ff:ff:ff:ff:ff",
    });
  const arpReplies = (frames: readonly Buffer[]) =>
    frames.filter((frame) => frame.readUInt16BE(12) === 0x0806);

  beforeEach(() => {
    const conf = ["ipv4", "conf", a.endpoint.interfaceName];
    writeSysctl([...conf, "proxy_arp"], "1", { netns: testbed.node });
    writeSysctl(["ipv4", "neigh", a.endpoint.interfaceName, "proxy_delay"], "0", {
      netns: testbed.node,
    });
    // Its own address behind another link: the node would answer for it.
    const uplink = testbed.links().links.get("uplink")?.index ?? 0;
    testbed.links().routes.replace({ destination: `${a.ipv4}/32`, linkIndex: uplink });
  });

  test("the node answers for the gateway", () => {
    const request = buildArp({
      operation: 1,
      senderMac: a.mac,
      senderIp: a.ipv4,
      targetMac: "00:00:00:00:00:00",
      targetIp: "169.254.1.1",
      destinationMac: "ff:ff:ff:ff:ff:ff",
    });
    const replies = arpReplies(heard(a, a, request));
    expect(replies.map((frame) => frame.subarray(6, 12).toString("hex"))).toContain(
      hostMac.replaceAll(":", ""),
    );
  });

  test("the node does not answer for the workload's own address", () => {
    expect(arpReplies(heard(a, a, probe(a.ipv4)))).toEqual([]);
  });
});

describe("workload and node", () => {
  test("a workload does not reach its node, the node reaches the workload and gets its answer", () => {
    const syn = frameFrom(a, {
      source: a.ipv4,
      destination: Testbed.node4,
      payload: { protocol: "tcp", sourcePort: 4000, destinationPort: 9 },
    });
    // A closed port would answer with a reset.
    expect(heard(a, a, syn).filter((frame) => frame.readUInt16BE(12) === 0x0800)).toEqual([]);
    while (a.wire.receive() !== undefined);
    testbed.run(() => execFileSync("bash", ["-c", `echo hello > /dev/udp/${a.ipv4}/5000`]));
    const question = nextIpv4(a);
    expect(question.readUInt16BE(36), "destination port").toBe(5000);
    const answer = { protocol: "udp", sourcePort: 5000, destinationPort: question.readUInt16BE(34) } as const;
    const source = question.subarray(26, 30).join(".");
    const reply = frameFrom(a, { source: a.ipv4, destination: source, payload: answer });
    // The socket is closed by now, so that the answer's arrival shows as a port unreachable.
    expect(heard(a, a, reply).filter(isIpv4)).toHaveLength(1);
  });

  test("neighbour discovery with the node works over link-local addresses", () => {
    const linkIndex = linkOf(a);
    const gateway = addressesOf(linkIndex).find((address) => address.startsWith("fe80")) ?? "";
    const replies = heard(a, a, solicitation("fe80::a", gateway)).filter(isAdvertisement);
    expect(replies).toHaveLength(1);
  });

  test("the node does not answer for the workload's own IPv6 address", () => {
    const linkIndex = linkOf(a);
    writeSysctl(["ipv6", "conf", a.endpoint.interfaceName, "proxy_ndp"], "1", { netns: testbed.node });
    const uplink = testbed.links().links.get("uplink")?.index ?? 0;
    for (const address of [a.ipv6, "fd00:65::77"]) {
      testbed.links().routes.replace({ destination: `${address}/128`, linkIndex: uplink });
      testbed.links().neighbours.replace({ linkIndex, address, proxy: true });
    }
    expect(heard(a, a, solicitation("fe80::a", "fd00:65::77")).filter(isAdvertisement)).toHaveLength(1);
    expect(heard(a, a, solicitation("fe80::a", a.ipv6)).filter(isAdvertisement)).toEqual([]);
    expect(heard(a, a, solicitation("::", a.ipv6)).filter(isAdvertisement)).toEqual([]);
  });
});

const isIpv4 = (frame: Buffer) => frame.readUInt16BE(12) === 0x0800;

/** The next IPv4 frame a workload gets; a kernel has things of its own to say on a link meanwhile. */
function nextIpv4({ wire }: TestWorkload): Buffer {
  const end = performance.now() + 5_000;
  for (;;) {
    const frame = wire.receive();
    if (frame !== undefined && isIpv4(frame)) return frame;
    if (performance.now() > end) throw new Error("no IPv4 frame arrived within 5 s");
  }
}
const isAdvertisement = (frame: Buffer) =>
  frame.readUInt16BE(12) === 0x86dd && frame[20] === 58 && frame[54] === 136;
const linkOf = (workload: TestWorkload) =>
  testbed.links().links.get(workload.endpoint.interfaceName)?.index ?? 0;
const addressesOf = (linkIndex: number) =>
  testbed
    .links()
    .addresses.list({ linkIndex, family: 6 })
    .map(({ address }) => address.split("/")[0] ?? "");

/** A neighbour solicitation for `target` to its solicited-node group (RFC 4861, 4.3). */
function solicitation(source: string, target: string): Buffer {
  const body = neighbourBody(target);
  const tail = body.subarray(-3).toString("hex");
  // Source link-layer address; a probe for duplicates has none.
  const option = source === "::" ? "" : `0101${a.mac.replaceAll(":", "")}`;
  return frameFrom(a, {
    source,
    destination: `ff02::1:ff${tail.slice(0, 2)}:${tail.slice(2)}`,
    hopLimit: 255,
    payload: {
      protocol: "icmp",
      type: 135,
      code: 0,
      rest: Buffer.concat([body, Buffer.from(option, "hex")]),
    },
  });
}
