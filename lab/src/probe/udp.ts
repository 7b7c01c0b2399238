import { createSocket } from "node:dgram";
import { now } from "./clock.ts";
import type { Arrival, ProbePlan, RunningProbe } from "./recording.ts";

/**
 * Sends one numbered datagram per interval to an echo port and notes every answer.
 * A datagram that is due late (the machine was busy) is sent at once, so the rate holds on average.
 */
export function startUdpEcho(plan: ProbePlan): RunningProbe {
  const socket = createSocket(plan.family === 4 ? "udp4" : "udp6");
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
  const timer = setInterval(() => {
    const due = Math.floor((now() - start) / plan.intervalMs) + 1;
    while (sent.length < due) {
      const datagram = Buffer.alloc(32);
      datagram.writeUInt32BE(sent.length, 0);
      sent.push(now());
      socket.send(datagram, plan.port, plan.address, () => {});
    }
  }, 1);

  return {
    recording: () => ({ plan, sent, arrivals, connection: [], bytes }),
    stop() {
      clearInterval(timer);
      socket.close();
    },
  };
}
