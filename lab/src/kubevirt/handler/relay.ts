import { spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { sendSignal } from "../../process.ts";
import { rankSession } from "../../session.ts";
import type { Endpoint, Forwarder } from "./proxy.ts";

/** Bytes of one read; as much as QEMU writes at once. */
const block = 256 * 1024;

/** The port of QEMU's memory stream between nodes. A second migration to the same node takes the next free one. */
export const memoryPort = 49152;

/** The port to listen on is taken. */
class PortTaken extends Error {}

/**
 * Passes a guest's memory through, as {@link forward} does for small streams, in a process of its own (socat): hundreds of
 * megabytes through JavaScript's buffers are hundreds of megabytes of garbage, collected just when the guest resumes.
 */
export async function relay(from: Endpoint, to: Endpoint): Promise<Forwarder> {
  if ("path" in from) rmSync(from.path, { force: true });
  const argv = ["-d", "-d", "-b", String(block), listening(from), connecting(to)];
  const child = spawn("socat", argv, { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  const gone = once(child, "close");
  if (child.pid !== undefined) rankSession(child.pid, "container");
  const words: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    if (/ listening on /.test(line)) {
      child.stderr.resume();
      return {
        port: "port" in from ? from.port : 0,
        [Symbol.asyncDispose]: async () => {
          sendSignal(-child.pid!, "SIGKILL");
          await gone;
        },
      };
    }
    words.push(line);
  }
  const said = words.join("; ");
  throw /Address already in use/.test(said) ? new PortTaken(said) : new Error(`socat: ${said}`);
}

/** Relays from the first free TCP port at or after {@link memoryPort}; 49153 is left to block migration. */
export async function relayFromFreePort(host: string, to: Endpoint): Promise<Forwarder> {
  for (let port = memoryPort; port < memoryPort + 64; port += port === memoryPort ? 2 : 1) {
    try {
      return await relay({ host, port }, to);
    } catch (error) {
      if (!(error instanceof PortTaken)) throw error;
    }
  }
  throw new Error(`no free port from ${memoryPort} on ${host}`);
}

function listening(endpoint: Endpoint): string {
  if ("path" in endpoint) return `UNIX-LISTEN:${endpoint.path},fork`;
  const { host, port } = endpoint;
  return host.includes(":")
    ? `TCP6-LISTEN:${port},bind=[${host}],fork`
    : `TCP4-LISTEN:${port},bind=${host},fork`;
}

function connecting(endpoint: Endpoint): string {
  if ("path" in endpoint) return `UNIX-CONNECT:${endpoint.path}`;
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  return `TCP:${host}:${endpoint.port}`;
}
