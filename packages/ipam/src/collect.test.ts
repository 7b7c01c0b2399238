import { expect, test } from "vitest";
import type { PodFact } from "./facts.ts";
import { Testbed, texts } from "./testbed.ts";

const minute = 60_000;

function collecting(bed: Testbed, options: { facts?: Testbed["facts"]; live?: Testbed["facts"] } = {}) {
  let monotonic = 0;
  const collector = bed.boot().collector({ facts: bed.facts, monotonic: () => monotonic, ...options });
  return async (passed = 0) => {
    monotonic += passed;
    return collector.scan();
  };
}

async function onePod() {
  const bed = new Testbed("10.0.0.0/24", "fd00::/112");
  const request = bed.pod("node-1");
  const addresses = texts(await bed.boot().workloads.assign(request));
  const key = `default/${request.pod.name}`;
  const change = (fact: Partial<PodFact>) => bed.pods.set(key, { ...bed.pods.get(key)!, ...fact });
  change({ addresses });
  return { bed, request, addresses, key, change };
}

test.each<[string, Partial<PodFact>]>([
  ["was replaced by another of its name", { uid: "another" }],
  ["runs on another node", { node: "node-2" }],
  ["was evicted", { phase: "Failed", reason: "Evicted" }],
  ["is finished", { phase: "Succeeded" }],
  ["reports other addresses", { addresses: ["10.0.0.200", "fd00::200"] }],
])("a pod that %s does not keep its addresses past the grace period", async (_, fact) => {
  const { bed, change } = await onePod();
  change(fact);
  const scan = collecting(bed);
  expect(await scan()).toMatchObject({ released: [], candidates: 2 });
  expect((await scan(14 * minute)).released).toEqual([]);
  expect((await scan(2 * minute)).released).toHaveLength(2);
});

test("a pod that exists, or has not reported an address yet, keeps them", async () => {
  const { bed, change } = await onePod();
  const scan = collecting(bed);
  await scan();
  expect((await scan(60 * minute)).candidates).toBe(0);
  change({ addresses: [] });
  await scan();
  expect((await scan(60 * minute)).candidates).toBe(0);
});

test("one long look is not enough: the grace period lies between two scans", async () => {
  const { bed } = await onePod();
  bed.pods.clear();
  const scan = collecting(bed);
  expect((await scan(600 * minute)).released).toEqual([]);
});

test("an address that is used again in between starts anew", async () => {
  const { bed, key } = await onePod();
  const fact = bed.pods.get(key)!;
  const scan = collecting(bed);
  bed.pods.clear();
  await scan();
  bed.pods.set(key, fact);
  await scan(16 * minute);
  bed.pods.clear();
  expect((await scan(minute)).released).toEqual([]);
  expect((await scan(16 * minute)).released).toHaveLength(2);
});

test("a handle with one address in use keeps all", async () => {
  const { bed, addresses, change } = await onePod();
  change({ addresses: [addresses[0]!, "fd00::ffff"] });
  const scan = collecting(bed);
  await scan();
  expect((await scan(16 * minute)).released).toEqual([]);
});

test("an address that was given to somebody else is not released", async () => {
  const { bed, request } = await onePod();
  bed.pods.clear();
  const scan = collecting(bed);
  await scan();
  await bed.boot().workloads.release({ ...request, vm: undefined });
  const next = bed.pod("node-1");
  await bed.boot().workloads.assign(next);
  expect((await scan(16 * minute)).released).toEqual([]);
});

test("nothing is released on what a cache says, or while the cluster does not answer", async () => {
  const { bed } = await onePod();
  const stale = { ...bed.facts, pod: async () => undefined };
  const cached = collecting(bed, { facts: stale, live: bed.facts });
  await cached();
  expect((await cached(16 * minute)).released).toEqual([]);
  const failing = {
    ...bed.facts,
    pod: async () => {
      throw new Error("no answer");
    },
  };
  const blind = collecting(bed, { facts: stale, live: failing });
  await blind();
  const report = await blind(16 * minute);
  expect(report.released).toEqual([]);
  expect(report.problems.join()).toContain("cannot be judged: no answer");
});

test("a pod of a deleted node goes at the second look", async () => {
  const { bed } = await onePod();
  bed.pods.clear();
  bed.nodes.delete("node-1");
  const scan = collecting(bed);
  expect((await scan()).released).toEqual([]);
  expect((await scan(1000)).released).toHaveLength(2);
});

test("a tunnel address lives as long as its node, and what is of unknown kind is left alone", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const place = (handle: string, attributes: Record<string, string>) =>
    ipam.allocate({ handle, node: "node-1", count: { 4: 1 }, use: "Tunnel", attributes });
  await place("vxlan-tunnel-addr-node-1", { node: "node-1", type: "vxlanTunnelAddress" });
  await place("something", { node: "node-1" });
  await place("windows-reserved-ipam-handle", { node: "node-1", pod: "x", namespace: "y" });
  const before = collecting(bed);
  await before();
  expect((await before(60 * minute)).released).toEqual([]);
  bed.nodes.delete("node-1");
  const scan = collecting(bed);
  await scan();
  expect((await scan(60 * minute)).released).toHaveLength(1);
});

test("a VM counts by its VM, a standalone instance by itself, an instance of a deleted VM not at all", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const request = bed.pod("node-1", { vm: bed.vm("a").active });
  await ipam.workloads.assign(request);
  bed.pods.clear();
  const settled = async () => {
    const scan = collecting(bed);
    await scan();
    return (await scan(16 * minute)).released.length;
  };
  expect(await settled()).toBe(0);
  bed.vms.clear();
  bed.vmis.set("default/a", { uid: "vmi-a", deleting: false, ownerUid: undefined });
  expect(await settled()).toBe(0);
  bed.vmis.set("default/a", { uid: "vmi-a", deleting: false, ownerUid: "vm-a" });
  expect(await settled()).toBe(2);
});

test("the owner record of a pod that is gone is cleared, the VM keeps its address", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const [address] = texts(await ipam.workloads.assign(bed.pod("node-1", { vm: bed.vm("a").active })));
  bed.pods.clear();
  const scan = collecting(bed);
  await scan();
  expect((await scan(16 * minute)).clearedOwners).toHaveLength(2);
  expect(await ipam.owners.get(address!)).toMatchObject({ active: null, handle: "net1.vmi.default.a" });
});

test("a node with several blocks gives back those that stay empty", async () => {
  const bed = new Testbed({ cidr: "10.0.0.0/28", blockSize: 30 });
  const ipam = bed.boot();
  await ipam.allocate({ handle: "h", node: "node-1", count: { 4: 9 }, use: "Workload" });
  await ipam.releaseByHandle("h");
  const scan = collecting(bed);
  await scan();
  expect((await scan(16 * minute)).releasedBlocks).toHaveLength(2);
  expect(await ipam.affinities.list()).toHaveLength(1);
});

test("handle objects are brought in line with the blocks", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const { handle } = await ipam.workloads.assign(bed.pod("node-1", { vm: bed.vm("a").active }));
  const object = (await bed.store.get("IPAMHandle", handle))!;
  const right = object.spec.block;
  await bed.store.replace("IPAMHandle", {
    ...object,
    spec: { ...object.spec, block: { ...right, "10.0.0.192/26": 3 } },
  });
  const scan = collecting(bed);
  await scan();
  expect((await scan(16 * minute)).repairedHandles).toEqual([handle]);
  expect((await bed.store.get("IPAMHandle", handle))?.spec.block).toEqual(right);
  await bed.store.remove("IPAMHandle", (await bed.store.get("IPAMHandle", handle))!);
  await scan();
  expect((await scan(16 * minute)).repairedHandles).toEqual([handle]);
  expect((await bed.store.get("IPAMHandle", handle))?.spec.block).toEqual(right);
});
