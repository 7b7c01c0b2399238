import { connect, type Socket } from "node:net";
import { now } from "./clock.ts";
import type { Arrival, ConnectionEvent, ProbePlan, RunningProbe } from "./recording.ts";

/** Milliseconds to the next attempt at a connection that was not established. */
const retry = 100;

/**
 * Holds one TCP connection for as long as the probe runs and never opens a second: a connection that breaks stays broken
 * and is reported. One that was never established is tried again: the guest may still be starting. Both directions
 * carry lines that are decimal sequence numbers.
 */
export function startTcpStream(plan: ProbePlan): RunningProbe {
  const sent: number[] = [];
  const arrivals: Arrival[] = [];
  const connection: ConnectionEvent[] = [];
  let bytes = 0;
  let pending = "";
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let socket = open();

  function open(): Socket {
    const attempt = connect({ host: plan.address, port: plan.port, noDelay: true });
    // "close" follows.
    attempt.on("error", () => {});
    attempt.once("close", retryLater);
    attempt.once("connect", () => {
      attempt.off("close", retryLater);
      hold(attempt);
    });
    return attempt;
  }

  function retryLater(): void {
    if (stopped) return;
    timer = setTimeout(() => {
      socket = open();
    }, retry);
  }

  function hold(established: Socket): void {
    const note = (event: ConnectionEvent["event"], detail?: string) =>
      connection.push({ at: now(), event, ...(detail === undefined ? {} : { detail }) });
    note("connected");
    if (plan.kind === "tcp-to-guest")
      timer = setInterval(() => {
        const sequence = sent.length;
        sent.push(now());
        established.write(`${sequence}\n`);
      }, plan.intervalMs);
    established.on("data", (data) => {
      const at = now();
      bytes += data.length;
      const lines = (pending + data.toString("latin1")).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) {
        const sequence = Number.parseInt(line, 10);
        if (Number.isInteger(sequence)) arrivals.push([sequence, at]);
      }
    });
    established.on("error", (error: NodeJS.ErrnoException) => {
      note(error.code === "ECONNRESET" ? "reset" : "failed", error.code ?? error.message);
    });
    established.on("close", () => {
      clearInterval(timer);
      if (!stopped) note("closed");
    });
  }

  return {
    recording: () => ({ plan, sent, arrivals, connection, bytes }),
    stop() {
      stopped = true;
      clearTimeout(timer);
      socket.destroy();
    },
  };
}
