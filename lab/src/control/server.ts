import { createServer, type Server } from "node:net";
import { LabError, messageOf } from "../error.ts";
import { onLine } from "../qemu/lines.ts";
import { type Reply, type Request, request } from "./protocol.ts";

/** Answers requests on a unix socket. `handle` returns the result or throws. */
export async function serveControl(
  path: string,
  handle: (request: Request) => Promise<object> | object,
): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    onLine(socket, async (line) => {
      const reply = await answer(line, handle);
      if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`);
    });
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(path, resolve);
  await promise;
  return server;
}

async function answer(line: string, handle: (request: Request) => Promise<object> | object) {
  try {
    const read = request.safeParse(JSON.parse(line));
    if (!read.success) throw new LabError("BadRequest", read.error.message);
    return { ok: true, result: await handle(read.data) };
  } catch (error) {
    const code = error instanceof LabError ? error.code : "BadRequest";
    return { ok: false, code, message: messageOf(error) } satisfies Reply;
  }
}
