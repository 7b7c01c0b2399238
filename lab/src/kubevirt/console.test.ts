import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { attachConsole } from "./console.ts";

let directory: string;
let server: Server;
let guest: Socket;
let typed: string;
let screen: string;
let keys: PassThrough;
let over: Promise<void>;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "console-"));
  server = createServer();
  server.listen(join(directory, "socket"));
  await once(server, "listening");
  [typed, screen, keys] = ["", "", new PassThrough()];
  const output = new PassThrough().on("data", (text) => {
    screen += text;
  });
  const connected = once(server, "connection");
  const socket = createConnection(join(directory, "socket"));
  over = attachConsole({ socket, keys, screen: output, knockEvery: 5 });
  [guest] = await connected;
  guest.on("data", (text) => {
    typed += text;
  });
});
afterEach(async () => {
  guest.destroy();
  await over;
  server.close();
  rmSync(directory, { recursive: true });
});

test("presses Enter until the guest says something", async () => {
  await expect.poll(() => typed).toMatch(/^\n{3,}$/);
  guest.write("guest# ");
  await expect.poll(() => screen).toBe("guest# ");
  keys.write("a");
  await expect.poll(() => typed).toMatch(/^\n+a$/);
});

test("keeps what is typed until the guest has said something", async () => {
  keys.write("uptime\n");
  await expect.poll(() => typed.length).toBeGreaterThan(3);
  expect(typed).not.toContain("uptime");
  guest.write("guest# ");
  await expect.poll(() => typed).toMatch(/^\n+uptime\n$/);
});

test("sends what was typed before Ctrl-], and leaves", async () => {
  guest.write("guest# ");
  await expect.poll(() => screen).toBe("guest# ");
  const ended = once(guest, "end");
  keys.write("exit\n\x1dmore");
  await ended;
  expect(typed).toMatch(/^\n+exit\n$/);
  guest.end();
  await over;
});

test("leaves a guest that never says anything at Ctrl-]", async () => {
  const ended = once(guest, "end");
  keys.write("\x1d");
  await ended;
  guest.end();
  await over;
});

test("sends a script that has ended, once the guest has said something", async () => {
  keys.end("poweroff\n");
  await expect.poll(() => typed.length).toBeGreaterThan(3);
  const ended = once(guest, "end");
  guest.write("guest# ");
  await ended;
  expect(typed).toMatch(/^\n+poweroff\n$/);
});

test("rejects when there is no console", async () => {
  const socket = createConnection(join(directory, "nothing"));
  const attached = attachConsole({ socket, keys: new PassThrough(), screen: new PassThrough() });
  await expect(attached).rejects.toMatchObject({ code: "ENOENT" });
});
