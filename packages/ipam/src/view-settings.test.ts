import { createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { expect, test, vi } from "vitest";
import { createIpam } from "./ipam.ts";
import { createKubernetesStore } from "./kubernetes-store.ts";
import { createSettings } from "./settings.ts";
import { createViewSettings } from "./view-settings.ts";
import type { WorkloadRequest } from "./workload-types.ts";

const pod = (n: number): WorkloadRequest => ({
  network: "net",
  containerId: `c${n}`,
  node: "node-1",
  pod: { namespace: "n", name: `p${n}`, uid: `u${n}`, creationTimestamp: "2026-01-01T00:00:00Z" },
  families: [4, 6],
});

test("with a view a pod on a node with room costs one write per family and no read, its DEL the same", async () => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  for (const [name, cidr] of Object.entries({ a: "10.0.0.0/24", b: "fd00::/112" }))
    await client.create(kinds.IPPool, { metadata: { name }, spec: { cidr } });
  await using view = createClusterView({
    client: cluster.client(),
    kinds: [kinds.IPPool, kinds.IPReservation, kinds.IPAMConfiguration],
  });
  const store = createKubernetesStore({ client });
  using settings = createViewSettings({ view, store });
  await view.synced();
  const ipam = createIpam({ store, settings });
  await ipam.workloads.assign(pod(0));
  const callsOf = async (action: () => Promise<unknown>) => {
    const before = client.calls.length;
    await action();
    return client.calls.slice(before).map(({ verb, kind }) => `${verb} ${kind}`);
  };
  const writes = ["replace IPAMBlock", "replace IPAMBlock"];
  expect(await callsOf(() => ipam.workloads.assign(pod(1)))).toEqual(writes);
  expect(await callsOf(() => ipam.workloads.release({ ...pod(1), vm: undefined }))).toEqual(writes);
  expect(await callsOf(() => ipam.workloads.release({ ...pod(1), vm: undefined }))).toEqual([]);

  const pool = await client.get(kinds.IPPool, { name: "a" });
  await client.replace(kinds.IPPool, { ...pool, spec: { ...pool.spec, disabled: true } });
  await vi.waitFor(() => expect(view.get(kinds.IPPool, { name: "a" })?.spec.disabled).toBe(true), {
    timeout: 30_000,
  });
  await expect(ipam.workloads.assign(pod(2))).rejects.toMatchObject({ code: "NoPools" });
});

test("with a view settings are decoded once per change, not once per pod, and read directly until the view has caught up", async () => {
  const cluster = new FakeCluster();
  const client = cluster.client();
  await client.create(kinds.IPPool, { metadata: { name: "a" }, spec: { cidr: "10.0.0.0/24" } });
  await using view = createClusterView({
    client: cluster.client(),
    kinds: [kinds.IPPool, kinds.IPReservation, kinds.IPAMConfiguration],
  });
  using source = createViewSettings({ view, store: createKubernetesStore({ client }) });
  const settings = createSettings(source);
  expect((await settings()).pools.map(({ name }) => name)).toEqual(["a"]);
  await view.synced();
  const first = await settings();
  expect(await settings()).toBe(first);
  await client.create(kinds.IPPool, { metadata: { name: "b" }, spec: { cidr: "10.0.1.0/24" } });
  await vi.waitFor(() => expect(view.list(kinds.IPPool)).toHaveLength(2), { timeout: 30_000 });
  const second = await settings();
  expect(second.pools.map(({ name }) => name)).toEqual(["a", "b"]);
  expect(await settings()).toBe(second);
});
