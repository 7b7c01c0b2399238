import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, expect, test } from "vitest";
import { monotonicNow } from "./clock.ts";
import { QmpClient, type QmpEvent } from "./qmp.ts";

type Request = { execute: string; id: number };

let directory: string;
let server: Server;
let peer: Socket;
/** How the scripted QEMU answers; undefined leaves the command unanswered. */
let answer: (request: Request) => object | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "qmp-"));
  answer = () => ({ return: {} });
  server = createServer((socket) => {
    peer = socket;
    say({ QMP: { version: {}, capabilities: [] } });
    createInterface({ input: socket }).on("line", (line) => {
      const request = JSON.parse(line) as Request;
      const reply = answer(request);
      if (reply) say({ ...reply, id: request.id });
    });
  });
});
afterEach(async () => {
  peer?.destroy();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

const say = (message: object) => peer.write(`${JSON.stringify(message)}\n`);
const soon = () => AbortSignal.timeout(30_000);

async function connect(): Promise<QmpClient> {
  const path = join(directory, "qmp.sock");
  const connecting = QmpClient.connect(path, { signal: soon() });
  server.listen(path);
  return connecting;
}

test("it waits for a socket that is not there yet, then negotiates", async () => {
  const seen: string[] = [];
  answer = ({ execute }) => {
    seen.push(execute);
    return { return: {} };
  };
  (await connect()).close();
  expect(seen).toEqual(["qmp_capabilities"]);
});

test("nobody listening is an error with the path in it", async () => {
  const path = join(directory, "absent.sock");
  const connecting = QmpClient.connect(path, { signal: AbortSignal.timeout(1) });
  await expect(connecting).rejects.toMatchObject({
    code: "StartFailed",
    message: expect.stringContaining(path),
  });
  server.listen(join(directory, "unused.sock"));
});

test("answers find their questions in whatever order they come", async () => {
  const client = await connect();
  const held: Request[] = [];
  answer = (request) => {
    held.push(request);
    if (held.length === 2) for (const { id, execute } of held.reverse()) say({ return: execute, id });
    return undefined;
  };
  expect(await Promise.all([client.execute("first"), client.execute("second")])).toEqual(["first", "second"]);
  client.close();
});

test("a refusal carries QEMU's words", async () => {
  const client = await connect();
  answer = () => ({ error: { class: "GenericError", desc: "There's a migration process in progress" } });
  await expect(client.execute("migrate")).rejects.toMatchObject({
    code: "CommandFailed",
    message: "migrate: There's a migration process in progress",
  });
  client.close();
});

test("a QEMU that dies fails what was asked and what will be", async () => {
  const client = await connect();
  answer = () => {
    peer.destroy();
    return undefined;
  };
  await expect(client.execute("query-status")).rejects.toMatchObject({ code: "Ended" });
  expect(client.ended.aborted).toBe(true);
  await expect(client.execute("query-status")).rejects.toMatchObject({ code: "Ended" });
});

test("an event's own time is converted to the monotonic clock to well under a millisecond", async () => {
  const client = await connect();
  const event = client.waitFor(({ event }) => event === "STOP", soon());
  // Real time is known exactly when a millisecond begins: between two readings of the other clock.
  const start = Date.now();
  let now = start;
  let before = monotonicNow();
  for (let reading = before; now === start; now = Date.now()) {
    before = reading;
    reading = monotonicNow();
  }
  const after = monotonicNow();
  say({ event: "STOP", timestamp: { seconds: Math.floor(now / 1000), microseconds: (now % 1000) * 1000 } });
  const { at } = await event;
  expect(at).toBeGreaterThan(before - 500_000n);
  expect(at).toBeLessThan(after + 500_000n);
  client.close();
});

test("events reach every listener until it leaves", async () => {
  const client = await connect();
  const heard: string[] = [];
  const leave = client.subscribe(({ event }: QmpEvent) => heard.push(event));
  const over = client.waitFor(({ event }) => event === "LAST", soon());
  say({ event: "ONE" });
  say({ event: "LAST" });
  await over;
  leave();
  const later = client.waitFor(({ event }) => event === "UNHEARD", soon());
  say({ event: "UNHEARD" });
  await later;
  expect(heard).toEqual(["ONE", "LAST"]);
  client.close();
});

test("waiting for an event ends with the signal", async () => {
  const client = await connect();
  await expect(client.waitFor(() => true, AbortSignal.timeout(1))).rejects.toMatchObject({ code: "Timeout" });
  client.close();
});
