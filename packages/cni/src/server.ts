import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Cni } from "./cni.ts";
import { decodeRequest, encodeAnswer, FrameError, requestLength } from "./frame.ts";

/** What is served, and on which unix socket. */
export interface CniServerOptions {
  readonly cni: Cni;
  /** For example /run/fairlead/cni.sock; its directory is made if need be. */
  readonly socketPath: string;
  /** How long a messenger may take to send its request, milliseconds. Default 10 s. */
  readonly requestDeadline?: number;
  readonly onError?: (error: Error) => void;
}

/** The running server. */
export interface CniServer extends AsyncDisposable {
  /** Stops accepting, waits for the calls under way. */
  close(): Promise<void>;
}

/** Answers messengers on a unix socket that only root may open. Replaces a socket left by an agent that died. */
export async function serveCni(options: CniServerOptions): Promise<CniServer> {
  const { cni, socketPath, requestDeadline = 10_000, onError = () => {} } = options;
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o755 });
  rmSync(socketPath, { force: true, recursive: true });
  const server = createServer((socket) => {
    socket.on("error", onError);
    socket.setTimeout(requestDeadline, () => socket.destroy());
    receive(socket, (bytes) => {
      socket.setTimeout(0);
      void answer(cni, socket, bytes);
    });
  });
  await listen(server, socketPath);
  chmodSync(socketPath, 0o600);
  const close = () => new Promise<void>((done) => void server.close(() => done()));
  return { close, [Symbol.asyncDispose]: close };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/** Collects one whole request; whoever does not speak the protocol is hung up on. */
function receive(socket: Socket, onRequest: (bytes: Buffer) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  socket.on("data", function take(chunk: Buffer) {
    bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
    try {
      const length = requestLength(bytes);
      if (length === undefined || bytes.length < length) return;
      socket.off("data", take);
      onRequest(bytes.subarray(0, length));
    } catch (error) {
      socket.destroy(error instanceof FrameError ? error : new FrameError(String(error)));
    }
  });
}

async function answer(cni: Cni, socket: Socket, bytes: Buffer): Promise<void> {
  try {
    socket.end(encodeAnswer(await cni.handle(decodeRequest(bytes))));
  } catch (error) {
    socket.destroy(error instanceof Error ? error : new FrameError(String(error)));
  }
}
