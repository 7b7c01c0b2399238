import { connect } from "node:net";
import { now } from "./clock.ts";
import type { Arrival, ConnectionEvent, ProbePlan, RunningProbe } from "./recording.ts";

/**
 * Holds one TCP connection for as long as the probe runs and never opens a second: a connection that breaks stays broken
 * and is reported. Both directions carry lines that are decimal sequence numbers.
 */
export function startTcpStream(plan: ProbePlan): RunningProbe {
  const sent: number[] = [];
  const arrivals: Arrival[] = [];
  const connection: ConnectionEvent[] = [];
  let bytes = 0;
  let pending = "";
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const note = (event: ConnectionEvent["event"], detail?: string) =>
    connection.push({ at: now(), event, ...(detail === undefined ? {} : { detail }) });

  const socket = connect({ host: plan.address, port: plan.port, noDelay: true });
  socket.on("connect", () => {
    note("connected");
    if (plan.kind !== "tcp-to-guest") return;
    timer = setInterval(() => {
      const sequence = sent.length;
      sent.push(now());
      socket.write(`${sequence}\n`);
    }, plan.intervalMs);
  });
  socket.on("data", (data) => {
    const at = now();
    bytes += data.length;
    const lines = (pending + data.toString("latin1")).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) {
      const sequence = Number.parseInt(line, 10);
      if (Number.isInteger(sequence)) arrivals.push([sequence, at]);
    }
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    note(error.code === "ECONNRESET" ? "reset" : "failed", error.code ?? error.message);
  });
  socket.on("close", () => {
    clearInterval(timer);
    if (!stopped) note("closed");
  });

  return {
    recording: () => ({ plan, sent, arrivals, connection, bytes }),
    stop() {
      stopped = true;
      clearInterval(timer);
      socket.destroy();
    },
  };
}
