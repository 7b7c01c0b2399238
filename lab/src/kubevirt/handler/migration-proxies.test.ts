import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MigrationProxies } from "./migration-proxies.ts";
import { relay } from "./relay.ts";

let directory: string;
const servers: Server[] = [];
const proxies = new MigrationProxies();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "proxy-"));
});
afterEach(async () => {
  await proxies.closeAll();
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true });
});

/** A target launcher's socket that answers what it got with its own name in front. */
async function launcherSocket(name: string): Promise<string> {
  const path = join(directory, name);
  const server = createServer({ allowHalfOpen: true }, async (socket) =>
    socket.end(`${name}:${await text(socket)}`),
  );
  servers.push(server);
  server.listen(path);
  await once(server, "listening");
  return path;
}

async function ask(path: string, question: string): Promise<string> {
  const socket = createConnection({ path, allowHalfOpen: true });
  socket.end(question);
  return text(socket);
}

const targetSockets = async () => ({
  control: await launcherSocket("control"),
  memory: await launcherSocket("memory"),
});

test("both connections pass through both nodes to the launcher they are meant for", async () => {
  const ports = await proxies.listen("target", "127.0.0.1", await targetSockets());
  const sockets = await proxies.dial("source", directory, "127.0.0.1", ports);
  expect(await ask(sockets.control, "begin")).toBe("control:begin");
  const memory = "x".repeat(1_000_000);
  expect(await ask(sockets.memory, memory)).toBe(`memory:${memory}`);
});

test("what is behind a port is told with it, as in the VMI", async () => {
  const ports = await proxies.listen("target", "127.0.0.1", await targetSockets());
  expect(Object.values(ports).sort()).toEqual([0, 49152]);
});

test("two migrations to one node get ports of their own, and never that of block migration", async () => {
  const sockets = await targetSockets();
  const first = await proxies.listen("one", "127.0.0.1", sockets);
  const second = await proxies.listen("two", "127.0.0.1", sockets);
  const memoryPort = (ports: Record<string, number>) =>
    Object.keys(ports).find((port) => ports[port] === 49152);
  expect(memoryPort(first)).not.toBe(memoryPort(second));
  expect([memoryPort(first), memoryPort(second)]).not.toContain("49153");
});

test("a migration that is over leaves nothing listening", async () => {
  const ports = await proxies.listen("target", "127.0.0.1", await targetSockets());
  const sockets = await proxies.dial("source", directory, "127.0.0.1", ports);
  await proxies.close("source");
  await expect(ask(sockets.control, "anybody?")).rejects.toThrow();
  expect(proxies.has("source")).toBe(false);
});

test("a memory stream that cannot be listened for is refused with the reason", async () => {
  const ports = await proxies.listen("target", "127.0.0.1", await targetSockets());
  const nowhere = join(directory, "x".repeat(200));
  await expect(proxies.dial("source", nowhere, "127.0.0.1", ports)).rejects.toThrow();
  await expect(relay({ path: nowhere }, { path: nowhere })).rejects.toThrow(/socat ended: .*max length is/s);
});
