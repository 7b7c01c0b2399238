import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import type { ProbePlan, RunningProbe } from "./recording.ts";
import { startTcpStream } from "./tcp.ts";

let server: Server | undefined;
let probe: RunningProbe | undefined;
const clients = new Set<Socket>();
afterEach(() => {
  probe?.stop();
  for (const client of clients) client.destroy();
  clients.clear();
  server?.close();
});

/** Echoes, as the guest does. */
async function listen(port = 0): Promise<number> {
  server = createServer((client) => {
    clients.add(client);
    client.on("error", () => {});
    client.pipe(client);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const planFor = (port: number): ProbePlan => ({
  name: "client tcp to vm ipv4",
  vantage: "client",
  family: 4,
  kind: "tcp-to-guest",
  address: "127.0.0.1",
  port,
  intervalMs: 5,
});
const events = () => probe!.recording().connection.map(({ event }) => event);

it("tries again until the guest listens, and calls that no broken connection", async () => {
  const port = await listen();
  server?.close();
  await once(server!, "close");
  probe = startTcpStream(planFor(port));
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(probe.recording()).toMatchObject({ connection: [], sent: [], arrivals: [] });
  await listen(port);
  await expect.poll(() => probe!.recording().arrivals.length).toBeGreaterThan(3);
  expect(events()).toEqual(["connected"]);
});

it("never opens a second connection: what breaks stays broken and is told", async () => {
  probe = startTcpStream(planFor(await listen()));
  await expect.poll(() => probe!.recording().arrivals.length).toBeGreaterThan(0);
  for (const client of clients) client.resetAndDestroy();
  await expect.poll(events).toEqual(["connected", "reset", "closed"]);
  const { sent } = probe.recording();
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(probe.recording().sent).toEqual(sent);
  expect(clients.size).toBe(1);
});
