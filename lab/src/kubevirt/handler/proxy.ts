import { rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";

/** Where to listen or connect: a unix socket, or TCP. */
export type Endpoint = { readonly path: string } | { readonly host: string; readonly port: number };

export interface Forwarder extends AsyncDisposable {
  /** The TCP port that was taken, 0 for a unix socket. */
  readonly port: number;
}

/** Passes every connection on `from` through to a new one to `to`, both ways, until disposed. */
export async function forward(from: Endpoint, to: Endpoint): Promise<Forwarder> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (incoming) => {
    const outgoing = createConnection({ ...to, allowHalfOpen: true });
    for (const [socket, other] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroySoon();
      });
      socket.pipe(other);
    }
  });
  if ("path" in from) rmSync(from.path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(from, () => resolve());
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
