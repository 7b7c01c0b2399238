import { once } from "node:events";
import { connect } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { Gauge, Registry } from "prom-client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HealthServer, type HealthServerOptions, serveHealth } from "./health-server.ts";

let registry: Registry;
let open: AsyncDisposableStack;
let errors: unknown[];
beforeEach(() => {
  errors = [];
  registry = new Registry();
  open = new AsyncDisposableStack();
});
afterEach(() => open.disposeAsync());

async function serve(more: Partial<HealthServerOptions> = {}): Promise<HealthServer> {
  const onError = (error: unknown) => errors.push(error);
  const usual = { port: 0, host: "127.0.0.1", registry, complaints: () => [], onError };
  return open.use(await serveHealth({ ...usual, ...more }));
}

async function ask({ port }: { port: number }, path: string, host = "127.0.0.1") {
  const signal = AbortSignal.timeout(30_000);
  const response = await fetch(`http://${host}:${port}${path}`, { signal });
  return { status: response.status, type: response.headers.get("content-type"), body: await response.text() };
}

describe.each([
  ["IPv4", "127.0.0.1", "127.0.0.1"],
  ["IPv6", "::1", "[::1]"],
  ["localhost, which is IPv4's whatever a resolver says", "localhost", "127.0.0.1"],
  ["every IPv6 and IPv4 address", "::", "127.0.0.1"],
])("listening on %s", (_family, host, asked) => {
  it("answers what kubelet and Prometheus ask", async () => {
    const server = await serve({ host });
    for (const path of ["/readiness", "/readiness?verbose", "/liveness", "/metrics"])
      expect(await ask(server, path, asked)).toMatchObject({ status: 200 });
  });

  it("says which port it chose, and refuses one that is taken", async () => {
    const { port } = await serve({ host });
    expect(port).toBeGreaterThan(0);
    await expect(serve({ host, port })).rejects.toMatchObject({ code: "EADDRINUSE", port });
  });

  it("gives its port back to the next run, although clients keep their connections", async () => {
    const first = await serve({ host });
    const client = open.adopt(
      connect(first.port, host === "::" ? "::1" : host),
      (socket) => void socket.destroy(),
    );
    await once(client, "connect");
    await ask(first, "/readiness", asked);
    await first[Symbol.asyncDispose]();
    const second = await serve({ host, port: first.port });
    expect(await ask(second, "/readiness", asked)).toMatchObject({ status: 200 });
  });
});

it("refuses an address that is not this machine's", () =>
  expect(serve({ host: "192.0.2.1" })).rejects.toMatchObject({ code: "EADDRNOTAVAIL" }));

it("is ready when nobody complains, and says every complaint as long as there are some", async () => {
  let complaints = ["the cluster's objects have not been read yet", "policy is not in the kernel: starting"];
  const server = await serve({ complaints: () => complaints });
  expect(await ask(server, "/readiness")).toMatchObject({
    status: 503,
    body: `${complaints.join("\n")}\n`,
  });
  complaints = [];
  expect(await ask(server, "/readiness")).toMatchObject({ status: 200, body: "ready\n" });
});

it("is ready with remarks, which follow", async () => {
  const remarks = ["plug-in loopback is missing", "the disk is full"];
  const server = await serve({ remarks: () => remarks });
  expect(await ask(server, "/readiness")).toMatchObject({
    status: 200,
    body: `ready\n${remarks.join("\n")}\n`,
  });
});

it("shows the registry's metrics as they are now, in its format", async () => {
  const gauge = new Gauge({ name: "test_things", help: "Things", registers: [registry] });
  const server = await serve();
  gauge.set(7);
  expect(await ask(server, "/metrics")).toEqual({
    status: 200,
    type: registry.contentType,
    body: expect.stringMatching(/^test_things 7$/m),
  });
});

it.each(["/", "/metrics/x", "//readiness", "/%00", "/../readiness/.."])(
  "says what there is to whoever asks for %s",
  async (path) =>
    expect(await ask(await serve(), path)).toMatchObject({
      status: 404,
      body: "there are /readiness, /liveness and /metrics\n",
    }),
);

it("closes a connection that speaks no HTTP, and goes on", async () => {
  const server = await serve();
  const client = connect(server.port, "127.0.0.1");
  client.end("this is no request\r\n\r\n").resume();
  await once(client, "close");
  expect(await ask(server, "/readiness")).toMatchObject({ status: 200 });
});

it("answers 500 when a part cannot say how it is, reports it, and goes on", async () => {
  new Gauge({
    name: "test_broken",
    help: "Cannot be read",
    registers: [registry],
    collect() {
      throw new Error("the gauge is broken");
    },
  });
  const server = await serve({
    complaints() {
      throw new Error("nobody knows");
    },
  });
  expect(await ask(server, "/metrics")).toMatchObject({ status: 500, body: "the gauge is broken\n" });
  expect(await ask(server, "/readiness")).toMatchObject({ status: 500, body: "nobody knows\n" });
  expect(errors).toMatchObject([{ message: "the gauge is broken" }, { message: "nobody knows" }]);
  expect(await ask(server, "/liveness")).toMatchObject({ status: 200 });
});

it("a main loop that was held up was not well; asked again, it is well", async () => {
  const server = await serve();
  // The server's monitor began before this one, and sees only pauses after its second look.
  const monitor = monitorEventLoopDelay({ resolution: 20 });
  monitor.enable();
  await expect.poll(() => monitor.count).toBeGreaterThan(0);
  monitor.disable();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500);
  const { status, body } = await ask(server, "/liveness");
  expect(status).toBe(503);
  expect(body).toMatch(/^longest pause of the main loop: \d{4,}\.\d ms\n$/);
  await expect.poll(() => ask(server, "/liveness")).toMatchObject({ status: 200 });
});
