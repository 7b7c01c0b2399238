import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LabError } from "../error.ts";
import { ask } from "./client.ts";
import type { Request } from "./protocol.ts";
import { serveControl } from "./server.ts";

let directory: string;
let path: string;
let server: Server | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "control-"));
  path = join(directory, "socket");
});
afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

test("a request reaches the lab, and its answer the one who asked", async () => {
  const heard: Request[] = [];
  server = await serveControl(path, (request) => {
    heard.push(request);
    return { pid: 7 };
  });
  const request = { method: "kill", process: "node1/bird", signal: "SIGKILL" } as const;
  expect(await ask(path, request, 60_000)).toEqual({ pid: 7 });
  expect(heard).toEqual([request]);
});

test("what the lab refuses keeps its code and its words", async () => {
  server = await serveControl(path, () => {
    throw new LabError("UnknownProcess", "there is no process x");
  });
  const asked = ask(path, { method: "stop", process: "x" }, 60_000);
  await expect(asked).rejects.toMatchObject({ code: "UnknownProcess", message: "there is no process x" });
});

test.each(["not JSON", "{}", '{"method":"reboot"}', '{"method":"kill","process":"x","signal":"9"}'])(
  "%s is a bad request, and the lab goes on",
  async (line) => {
    server = await serveControl(path, () => ({}));
    const socket = connect(path);
    socket.write(`${line}\n`);
    const [answer] = await once(socket, "data");
    socket.destroy();
    expect(JSON.parse(String(answer))).toMatchObject({ ok: false, code: "BadRequest" });
    expect(await ask(path, { method: "down" }, 60_000)).toEqual({});
  },
);

test("no lab, a lab that ends and a lab that hangs are told apart", async () => {
  await expect(ask(path, { method: "status" })).rejects.toMatchObject({ code: "NotRunning" });
  let isEnding = true;
  server = createServer((socket) => {
    socket.on("error", () => {});
    if (isEnding) socket.destroy();
  }).listen(path);
  await once(server, "listening");
  await expect(ask(path, { method: "status" }, 60_000)).rejects.toMatchObject({ code: "NotRunning" });
  isEnding = false;
  await expect(ask(path, { method: "status" }, 50)).rejects.toMatchObject({ code: "Timeout" });
});
