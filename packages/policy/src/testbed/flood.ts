/**
 * A process of its own that probes without pause while the test changes things, so that no moment goes unobserved.
 * Reads its plan from the first argument, runs until standard input ends, then prints what it saw.
 */
import { NetworkNamespace } from "@fairlead/netlink";
import { tcpFlags } from "./frame.ts";
import { frameFrom, samePayload } from "./testbed.ts";
import { Wire } from "./wire.ts";

export interface FloodEnd {
  readonly linkIndex: number;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface FloodPlan {
  /** Path of the namespace with the far ends of the links. */
  readonly namespace: string;
  readonly receiver: FloodEnd;
  /** May open connections to port 80 of the receiver. */
  readonly allowed: readonly FloodEnd[];
  /** Every one of these tries from its own address to the given port, and must not get through. */
  readonly forbidden: readonly { readonly from: FloodEnd; readonly port: number }[];
}

export interface FloodReport {
  readonly forbiddenSent: number;
  readonly forbiddenArrived: number;
  readonly allowedSent: number;
  readonly allowedLost: number;
  /** Segments of connections that were open from the beginning. */
  readonly establishedSent: number;
  readonly establishedLost: number;
}

const families = ["ipv4", "ipv6"] as const;
const connectionPort = 1_999;

function flood(plan: FloodPlan): () => FloodReport {
  using netns = NetworkNamespace.open(plan.namespace);
  const wireOf = (end: FloodEnd) => new Wire(netns, end.linkIndex);
  const receiver = wireOf(plan.receiver);
  const allowed = plan.allowed.map((from) => ({ from, wire: wireOf(from) }));
  const forbidden = plan.forbidden.map(({ from, port }) => ({ from, port, wire: wireOf(from) }));
  const report = {
    forbiddenSent: 0,
    forbiddenArrived: 0,
    allowedSent: 0,
    allowedLost: 0,
    establishedSent: 0,
    establishedLost: 0,
  };
  let serial = 0;

  const segment = (
    from: FloodEnd,
    family: (typeof families)[number],
    sourcePort: number,
    port: number,
    flags: number,
    to = plan.receiver,
  ) => {
    const data = Buffer.alloc(12);
    data.write(flags === forbiddenFlags ? "forbid" : "permit");
    data.writeUInt32BE(++serial, 8);
    const payload = {
      protocol: "tcp",
      sourcePort,
      destinationPort: port,
      flags: flags === forbiddenFlags ? tcpFlags.syn : flags,
      sequence: 1001,
      acknowledge: 1001,
      data,
    } as const;
    return frameFrom(from, { source: from[family], destination: to[family], payload });
  };

  /** Reads everything that came; whether `frame` was in it. */
  const drain = (frame?: Buffer): boolean => {
    let seen = false;
    for (let got = receiver.receive(); got !== undefined; got = receiver.receive()) {
      if (got.includes("forbid")) report.forbiddenArrived++;
      if (frame !== undefined && samePayload(got, frame)) seen = true;
    }
    return seen;
  };

  const send = (wire: Wire, frame: Buffer): boolean => {
    wire.send(frame);
    const deadline = performance.now() + 10_000;
    while (performance.now() < deadline) if (drain(frame)) return true;
    return false;
  };

  for (const family of families) {
    for (const { from, wire } of allowed) {
      send(wire, segment(from, family, connectionPort, 80, tcpFlags.syn));
      receiver.send(segment(plan.receiver, family, 80, connectionPort, tcpFlags.syn | tcpFlags.ack, from));
    }
  }

  const round = () => {
    for (const family of families) {
      for (const { from, port, wire } of forbidden) {
        report.forbiddenSent++;
        wire.send(segment(from, family, 2_000 + (serial % 60_000), port, forbiddenFlags));
      }
      for (const { from, wire } of allowed) {
        report.establishedSent++;
        if (!send(wire, segment(from, family, connectionPort, 80, tcpFlags.ack))) report.establishedLost++;
        report.allowedSent++;
        if (!send(wire, segment(from, family, 2_000 + (serial % 60_000), 80, tcpFlags.syn)))
          report.allowedLost++;
      }
    }
  };

  let running = true;
  const loop = () => {
    for (let times = 0; times < 20; times++) round();
    if (running) setImmediate(loop);
  };
  loop();
  return () => {
    running = false;
    drain();
    return report;
  };
}

/** Stands for the flags of a probe that must not arrive. */
const forbiddenFlags = -1;

if (import.meta.main) {
  const stop = flood(JSON.parse(process.argv[2] ?? "{}"));
  process.stdout.write("flooding\n");
  process.stdin.on("end", () => {
    process.stdout.write(`${JSON.stringify(stop())}\n`, () => process.exit(0));
  });
  process.stdin.resume();
}
