import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import type { Readable } from "node:stream";
import { rankSession } from "../../precedence.ts";
import { sendSignal } from "../../process.ts";
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
  const socat = ["socat", "-d", "-d", "-b", String(block), listening(from), connecting(to)];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...socat], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const gone = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  await untilListening(child.stderr, gone);
  rankSession(child.pid!, "container");
  return {
    port: "port" in from ? from.port : 0,
    [Symbol.asyncDispose]: async () => {
      sendSignal(-child.pid!, "SIGKILL");
      await gone;
    },
  };
}

/** Throws what socat said when it ends before it listens. */
async function untilListening(notices: Readable, gone: Promise<void>): Promise<void> {
  let said = "";
  const listens = new Promise<boolean>((resolve) => {
    // Read for as long as it runs: it would stand still with its pipe full.
    notices.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-2000);
      if (/ listening on /.test(said)) resolve(true);
    });
    void gone.then(() => resolve(false));
  });
  if (await listens) return;
  throw /Address already in use/.test(said) ? new PortTaken(said) : new Error(`socat ended: ${said}`);
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
