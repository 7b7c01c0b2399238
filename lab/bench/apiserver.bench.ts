import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { type Bench, quantile } from "../../scripts/bench.ts";
import { servingCertificate } from "../src/apiserver/auth/certificates.ts";
import { kubeconfig } from "../src/apiserver/auth/kubeconfig.ts";
import { Connection } from "../src/apiserver/connection.ts";
import { startApiServer } from "../src/apiserver/index.ts";
import type { KubeObject } from "../src/apiserver/objects.ts";

const rounds = 1500;

async function median(
  operation: (i: number) => Promise<unknown>,
  count = rounds,
): Promise<{ p50: number; p99: number }> {
  for (let i = 0; i < count / 10; i++) await operation(i);
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await operation(i);
    samples.push((performance.now() - start) * 1000);
  }
  return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) };
}

/** A bare HTTPS server that answers as many bytes as an object has: what TLS and HTTP alone cost. */
async function bareRoundTrip(body: string): Promise<number> {
  const { caPem, certPem, keyPem } = servingCertificate(["127.0.0.1"], undefined);
  const server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    request.resume().on("end", () => response.end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connection = new Connection(kubeconfig({ url, caPem, token: "t", user: "u" }));
  const { p50 } = await median(() => connection.call({ path: "/" }));
  connection.close();
  server.closeAllConnections();
  server.close();
  return p50;
}

/** Client and server share this process, so every figure holds both sides; the floor does too. */
export default async function (bench: Bench): Promise<void> {
  const server = await startApiServer();
  const connection = new Connection(server.adminKubeconfig);
  const path = "/api/v1/namespaces/default/configmaps";
  const data = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`address-${i}`, `handle-${i}`]));
  const create = async (name: string) => {
    const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data };
    return (await connection.call({ method: "POST", path, body })).json as KubeObject;
  };
  let object = await create("block");
  const floor = { name: "bare https round trip", value: await bareRoundTrip(JSON.stringify(object)) };
  const report = (name: string, { p50, p99 }: { p50: number; p99: number }) => {
    bench.report({ name: `${name}, median`, value: p50, unit: "µs", floor });
    bench.report({ name: `${name}, p99`, value: p99, unit: "µs" });
  };

  report("GET of a block of 64 entries", await median(() => connection.call({ path: `${path}/block` })));
  report(
    "conditional PUT of it",
    await median(async (i) => {
      const body = { ...object, data: { ...data, [`address-${i % 64}`]: `vm-${i}` } };
      object = (await connection.call({ method: "PUT", path: `${path}/block`, body })).json as KubeObject;
    }),
  );

  for (let i = 0; i < 500; i++) await create(`other-${i}`);
  report("LIST of 501 of them", await median(() => connection.call({ path }), 50));

  const parallel = 32;
  const started = performance.now();
  const blocks = await Promise.all(Array.from({ length: parallel }, (_, i) => create(`parallel-${i}`)));
  await Promise.all(
    blocks.map(async (block) => {
      for (let i = 0; i < 60; i++) {
        const body = { ...block, data: { ...data, "address-0": `vm-${i}` } };
        const answer = await connection.call({ method: "PUT", path: `${path}/${block.metadata.name}`, body });
        block = answer.json as KubeObject;
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  bench.report({
    name: `conditional PUTs from ${parallel} writers`,
    value: (parallel * 60) / seconds,
    unit: "1/s",
    floor: { name: "one connection, bare round trips", value: 1e6 / floor.value },
  });

  await fanOut(bench, connection, path, floor);
  connection.close();
  await server.close();
}

/** From the start of a write until the last of 50 watchers has the event. */
async function fanOut(
  bench: Bench,
  connection: Connection,
  path: string,
  floor: { readonly name: string; readonly value: number },
): Promise<void> {
  const watchers = 50;
  const stop = new AbortController();

  let seen = 0;
  let all: () => void = () => {};
  const selected = `${path}?watch=true&fieldSelector=metadata.name%3Dfan`;
  for (let i = 0; i < watchers; i++)
    void (async () => {
      for await (const _ of connection.watch(selected, stop.signal)) if (++seen === watchers) all();
    })().catch(() => {});
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      seen = 0;
      all = resolve;
    });
  const first = next();
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "fan" } };
  await connection.call({ method: "POST", path, body });
  await first;
  const { p50 } = await median(async (i) => {
    const arrived = next();
    const headers = { "content-type": "application/merge-patch+json" };
    await connection.call({
      method: "PATCH",
      path: `${path}/fan`,
      body: { data: { i: String(i) } },
      headers,
    });
    await arrived;
  }, 100);
  stop.abort();
  bench.report({
    name: `write until the last of ${watchers} watchers knows, median`,
    value: p50,
    unit: "µs",
    floor,
  });
}
