import type { PolicyEngine } from "../engine.ts";
import type { Packet } from "../packet.ts";
import type { Transport } from "./frame.ts";
import type { HostWire } from "./host-wire.ts";
import { inhabitants, node, outsiders, uplinkEndpoint } from "./inhabitants.ts";
import type { RandomPacket } from "./random-packet.ts";
import { frameFrom, Testbed, type TestWorkload } from "./testbed.ts";

/** The random world on a testbed: local inhabitants are workloads, the others are behind the uplink. */
export interface World {
  readonly testbed: Testbed;
  readonly engine: PolicyEngine;
  readonly workloads: readonly TestWorkload[];
  /** What arrives on the node itself. */
  readonly host: HostWire;
}

/** A packet on its way, and what the model says about it. */
interface Probe {
  readonly packet: RandomPacket;
  readonly sender: TestWorkload;
  readonly receiver: TestWorkload | "node";
  readonly frame: Buffer;
  readonly expected: boolean;
}

/** Every probe differs, so that conntrack takes each for a new connection. */
let serial = 0;

function toProbe(world: World, packet: RandomPacket): Probe {
  const side = (index: number) => world.workloads[index] ?? world.testbed.uplink;
  const address = (index: number) => {
    if (index === node) return packet.family === 4 ? Testbed.node4 : Testbed.node6;
    const who = inhabitants[index] ?? outsiders[index - inhabitants.length];
    return (packet.family === 4 ? who?.ipv4 : who?.ipv6) ?? "";
  };
  serial++;
  const spoofed = packet.spoofed && world.workloads[packet.from] !== undefined;
  const [source, destination] = [address(spoofed ? inhabitants.length : packet.from), address(packet.to)];
  const payload = transport(packet);
  const sender = side(packet.from);
  const frame = frameFrom(sender, { source, destination, payload });
  return {
    packet,
    sender,
    receiver: packet.to === node ? "node" : side(packet.to),
    frame,
    expected: expectation(world, packet, { source, destination }, payload),
  };
}

function transport({ kind, port, highSourcePort, icmp, family }: RandomPacket): Transport {
  const sourcePort = (highSourcePort ? 40_000 : 2_000) + (serial % 25_000);
  switch (kind) {
    case "icmp": {
      const rest = Buffer.alloc(8);
      // The identifier is what makes a connection of it; the node answers, so that it would be an old one.
      rest.writeUInt16BE(serial & 0xffff, 0);
      rest.writeUInt16BE(serial >>> 16, 2);
      return { protocol: "icmp", type: family === 6 ? 128 : icmp.type, code: icmp.code, rest };
    }
    case "sctp":
      return { protocol: "sctp", sourcePort, destinationPort: port, tag: serial };
    default: {
      const data = Buffer.alloc(8);
      data.writeUInt32BE(serial);
      return { protocol: kind, sourcePort, destinationPort: port, data };
    }
  }
}

/**
 * Both ends have to agree: where a packet comes from, a local sender's egress policy or the uplink's; where it goes, a local receiver's
 * ingress policy or the uplink's.
 */
function expectation(
  { engine, workloads }: World,
  { from, to, family, kind }: RandomPacket,
  ends: { source: string; destination: string },
  payload: Transport,
): boolean {
  const allowed = (direction: Packet["direction"], workload: TestWorkload | undefined) => {
    const packet: Packet = {
      direction,
      path: to === node ? "host" : "forwarded",
      ...ends,
      protocol: kind === "icmp" && family === 6 ? "icmpv6" : kind,
      ...("sourcePort" in payload
        ? { sourcePort: payload.sourcePort, destinationPort: payload.destinationPort }
        : {}),
      ...("type" in payload ? { icmp: { type: payload.type, code: payload.code } } : {}),
    };
    return engine.explain(packet, workload?.endpoint.id ?? uplinkEndpoint).verdict === "allow";
  };
  const fromUplink = workloads[from] === undefined;
  if (!allowed(fromUplink ? "in" : "out", workloads[from])) return false;
  if (to === node) return true;
  return allowed(workloads[to] === undefined ? "out" : "in", workloads[to]);
}

export interface Disagreement {
  readonly packet: RandomPacket;
  readonly model: "allow" | "deny";
  readonly kernel: "allow" | "deny";
}

/** Sends the packets through the kernel and compares what arrives with what the model says. */
export function compareVerdicts(
  world: World,
  packets: readonly RandomPacket[],
): { readonly disagreements: Disagreement[]; readonly allowed: number } {
  const disagreements: Disagreement[] = [];
  let allowed = 0;
  for (let at = 0; at < packets.length; at += 40) {
    const probes = packets.slice(at, at + 40).map((packet) => toProbe(world, packet));
    const arrived = exchange(world, probes);
    for (const [index, probe] of probes.entries()) {
      const kernel = arrived.has(index) ? "allow" : "deny";
      const model = probe.expected ? "allow" : "deny";
      if (kernel === "allow") allowed++;
      if (kernel !== model) disagreements.push({ packet: probe.packet, model, kernel });
    }
  }
  return { disagreements, allowed };
}

/** Milliseconds for packets that should arrive; a busy machine may take its time. */
const patience = 10_000;

function exchange(world: World, probes: readonly Probe[]): Set<number> {
  const index = new Map(probes.map((probe, position) => [signature(probe.frame), position]));
  const onNode = new Map(probes.map((probe, position) => [transportOf(probe.frame), position]));
  const arrived = new Set<number>();
  for (const probe of probes) probe.sender.wire.send(probe.frame);
  const receivers = [...world.workloads, world.testbed.uplink];
  const missing = () => probes.some((probe, position) => probe.expected && !arrived.has(position));
  const deadline = performance.now() + patience;
  // What should arrive is waited for; what should not has then had its chance, being sent before.
  do {
    for (const receiver of receivers) {
      for (let frame = receiver.wire.receive(); frame !== undefined; frame = receiver.wire.receive()) {
        const position = index.get(signature(frame));
        if (position !== undefined && probes[position]?.receiver === receiver) arrived.add(position);
      }
    }
    for (let bytes = world.host.receive(); bytes !== undefined; bytes = world.host.receive()) {
      const position = onNode.get(bytes.toString("latin1"));
      if (position !== undefined && probes[position]?.receiver === "node") arrived.add(position);
    }
  } while (missing() && performance.now() < deadline);
  return arrived;
}

/** What forwarding leaves alone: everything from the source address on, checksums of the IP header excluded. */
function signature(frame: Buffer): string {
  const offset = frame.readUInt16BE(12) === 0x0800 ? 26 : 22;
  return frame.toString("latin1", offset);
}

/** Everything after the IP header. */
function transportOf(frame: Buffer): string {
  return frame.toString("latin1", frame.readUInt16BE(12) === 0x0800 ? 34 : 54);
}
