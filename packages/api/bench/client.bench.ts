import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Agent, request } from "undici";
import type { Bench } from "../../../scripts/bench.ts";
import { quantile } from "../../../scripts/bench.ts";
import { createApiClient, kinds } from "../src/index.ts";

const block = JSON.stringify({
  apiVersion: "projectcalico.org/v3",
  kind: "IPAMBlock",
  metadata: {
    name: "10-244-0-0-26",
    uid: "u",
    resourceVersion: "7",
    creationTimestamp: "2026-01-01T00:00:00Z",
  },
  spec: {
    cidr: "10.244.0.0/26",
    affinity: "host:worker-1",
    allocations: Array.from({ length: 64 }, (_, i) => (i < 32 ? i : null)),
    unallocated: Array.from({ length: 32 }, (_, i) => i + 32),
    attributes: Array.from({ length: 32 }, (_, i) => ({
      handle_id: `k8s-pod-network.${i}`,
      secondary: { pod: `pod-${i}`, namespace: "default", node: "worker-1" },
    })),
    deleted: false,
  },
});

/** What our client adds to a request: the floor is the HTTP library alone, against the same server on the same connection. */
export default async function client(bench: Bench): Promise<void> {
  const server = createServer((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(block);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const users =
    "users: [{name: t, user: {}}]\ncontexts: [{name: t, context: {cluster: t, user: t}}]\ncurrent-context: t\n";
  const api = createApiClient({ kubeconfig: `clusters: [{name: t, cluster: {server: "${url}"}}]\n${users}` });

  const loading = performance.now();
  await api.get(kinds.IPAMBlock, { name: "b" });
  bench.report({ name: "first request, loading everything", value: performance.now() - loading, unit: "ms" });

  const dispatcher = new Agent();
  const bare = async () => void (await (await request(url, { dispatcher })).body.text());
  const ours = async () => void (await api.get(kinds.IPAMBlock, { name: "b" }));
  await sample(bare, 300);
  await sample(ours, 300);
  const floor = await sample(bare, 2000);
  const figures = await sample(ours, 2000);
  for (const q of [0.5, 0.99]) {
    const name = `GET of a block with 32 addresses, p${q * 100}`;
    const bound = { name: "undici alone", value: quantile(floor, q) };
    bench.report({ name, value: quantile(figures, q), unit: "µs", floor: bound });
  }
  await api.close();
  await dispatcher.close();
  server.close();
}

async function sample(act: () => Promise<void>, count: number): Promise<number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await act();
    samples.push((performance.now() - start) * 1000);
  }
  return samples;
}
