import { connect } from "node:net";
import { LabError, type LabErrorCode, messageOf } from "../error.ts";
import { onLine } from "../qemu/lines.ts";
import type { Answers, Reply, Request } from "./protocol.ts";

/** Sends one request to the lab's first process. @throws LabError `NotRunning`, `Timeout`, or what the lab answered */
export async function ask<M extends keyof Answers>(
  path: string,
  request: Extract<Request, { method: M }>,
  timeout = 10_000,
): Promise<Answers[M]> {
  const { promise, resolve, reject } = Promise.withResolvers<Answers[M]>();
  const socket = connect({ path });
  socket.setTimeout(timeout, () => {
    reject(new LabError("Timeout", `the lab did not answer within ${timeout} ms; see lab/out/logs/lab.log`));
    socket.destroy();
  });
  socket.on("error", (cause) =>
    reject(new LabError("NotRunning", `the lab does not answer: ${messageOf(cause)}; pnpm lab up`, cause)),
  );
  socket.on("close", () => reject(new LabError("NotRunning", "the lab ended; see lab/out/logs/lab.log")));
  onLine(socket, (line) => {
    const reply = JSON.parse(line) as Reply<M>;
    if (reply.ok) resolve(reply.result);
    else reject(new LabError(reply.code as LabErrorCode, reply.message));
    socket.end();
  });
  socket.write(`${JSON.stringify(request)}\n`);
  return promise;
}
