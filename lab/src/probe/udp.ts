import { createSocket } from "node:dgram";
import { now } from "./clock.ts";
import type { Arrival, ProbePlan, RunningProbe } from "./recording.ts";

const ignore = () => {};

/** Every flow of this process sends from one timer, back to back: one wake-up here, and a batch for whoever receives. */
const flows = new Set<() => void>();
let beat: NodeJS.Timeout | undefined;

function sendOnBeat(flow: () => void): () => void {
  flows.add(flow);
  beat ??= setInterval(() => {
    for (const send of flows) send();
  }, 1);
  return () => {
    flows.delete(flow);
    if (flows.size > 0) return;
    clearInterval(beat);
    beat = undefined;
  };
}

/**
 * Sends one numbered datagram per interval to an echo port and notes every answer.
 * A datagram that is due late (the machine was busy) is sent at once, so the rate holds on average.
 */
export function startUdpEcho(plan: ProbePlan): RunningProbe {
  // Addresses need no resolver; and an unconnected socket goes on sending after it was told of an unreachable host.
  const socket = createSocket({
    type: plan.family === 4 ? "udp4" : "udp6",
    lookup: (hostname, _options, callback) => callback(null, hostname, plan.family),
  });
  const sent: number[] = [];
  const arrivals: Arrival[] = [];
  let bytes = 0;

  socket.on("message", (message) => {
    if (message.length < 4) return;
    bytes += message.length;
    arrivals.push([message.readUInt32BE(0), now()]);
  });
  // Unreachable answers are losses, which the missing sequence numbers show; they must not end the probe.
  socket.on("error", () => {});

  const start = now();
  const end = sendOnBeat(() => {
    const due = Math.floor((now() - start) / plan.intervalMs) + 1;
    while (sent.length < due) {
      const datagram = Buffer.alloc(32);
      datagram.writeUInt32BE(sent.length, 0);
      sent.push(now());
      socket.send(datagram, plan.port, plan.address, ignore);
    }
  });

  return {
    recording: () => ({ plan, sent, arrivals, connection: [], bytes }),
    stop() {
      end();
      socket.close();
    },
  };
}
