import { describe, expect, test } from "vitest";
import type { CollectorOptions } from "./collect.ts";
import type { ClusterFacts, PodFact } from "./facts.ts";
import { createFaultyStore } from "./faulty-store.ts";
import type { IpamStore } from "./store.ts";
import { del, Testbed, texts } from "./testbed.ts";

const minute = 60_000;

function collecting(bed: Testbed, options: Partial<CollectorOptions> = {}) {
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

test("nothing is released on what a list says, or while the cluster does not answer", async () => {
  const { bed } = await onePod();
  const inventory = async () => ({ ...bed.inventory(), pods: [] });
  const listed = collecting(bed, { inventory });
  await listed();
  expect((await listed(16 * minute)).released).toEqual([]);
  const failing = {
    ...bed.facts,
    pod: async () => {
      throw new Error("no answer");
    },
  };
  const blind = collecting(bed, { inventory, facts: failing });
  await blind();
  const report = await blind(16 * minute);
  expect(report.released).toEqual([]);
  expect(report.problems.join()).toContain("cannot be judged: no answer");
});

/** Facts that count what they are asked, and how much of it at a time. */
function counted(facts: ClusterFacts) {
  const counts = { asked: 0, underWay: 0, most: 0 };
  const count =
    <Args extends string[], R>(ask: (...args: Args) => Promise<R>) =>
    async (...args: Args): Promise<R> => {
      counts.asked++;
      counts.most = Math.max(counts.most, ++counts.underWay);
      await new Promise((resolve) => setImmediate(resolve));
      counts.underWay--;
      return ask(...args);
    };
  const { pod, vm, vmi, node } = facts;
  return { counts, facts: { pod: count(pod), vm: count(vm), vmi: count(vmi), node: count(node) } };
}

describe("requests", () => {
  async function manyPods(count: number, bed = new Testbed("10.0.0.0/20", "fd00::/112")) {
    const ipam = bed.boot();
    for (let i = 0; i < count; i++) await ipam.workloads.assign(bed.pod(`node-${1 + (i % 3)}`));
    return bed;
  }

  test("a scan of any number of pods in use asks about none of them", async () => {
    const bed = await manyPods(300);
    const { counts, facts } = counted(bed.facts);
    const scan = collecting(bed, { facts });
    expect(await scan()).toMatchObject({ allocations: 600, candidates: 0 });
    await scan(16 * minute);
    expect(counts.asked).toBe(0);
  });

  test("only suspects are asked about, once their grace period is over, and not all at a time", async () => {
    const bed = await manyPods(60);
    for (const key of [...bed.pods.keys()].slice(0, 40)) bed.pods.delete(key);
    const { counts, facts } = counted(bed.facts);
    const scan = collecting(bed, { facts });
    expect(await scan()).toMatchObject({ candidates: 80 });
    expect(counts.asked).toBe(0);
    expect((await scan(16 * minute)).released).toHaveLength(80);
    // Each address of a pod: the pod, and, as it is gone, its node.
    expect(counts.asked).toBe(160);
    expect(counts.most).toBeGreaterThan(1);
    expect(counts.most).toBeLessThanOrEqual(8);
  });

  test("without an inventory each pod is asked about, several at a time", async () => {
    const bed = await manyPods(40);
    const { counts, facts } = counted(bed.facts);
    const collector = bed.boot({ inventory: undefined }).collector({ facts, monotonic: () => 0 });
    await collector.scan();
    expect(counts.most).toBeGreaterThan(1);
    expect(counts.most).toBeLessThanOrEqual(8);
  });

  test("pods of one block that are released together share the writes", async () => {
    const bed = await manyPods(30);
    bed.pods.clear();
    let monotonic = 0;
    const store = createFaultyStore(bed.store);
    const options = { facts: bed.facts, monotonic: () => monotonic };
    const collector = bed.boot({ store }).collector(options);
    await collector.scan();
    monotonic += 16 * minute;
    const before = store.calls.length;
    expect((await collector.scan()).released).toHaveLength(60);
    const writes = store.calls.slice(before).filter(({ verb }) => verb === "replace");
    expect(writes.length).toBeLessThan(30);
  });

  test("a pod that got its address after the blocks were read is no suspect", async () => {
    const bed = await manyPods(3);
    let pod = bed.pod("node-1");
    const inventory = async () => {
      pod = bed.pod("node-1");
      await bed.boot().workloads.assign(pod);
      return bed.inventory();
    };
    const scan = collecting(bed, { inventory });
    await scan();
    expect((await scan(16 * minute)).released).toEqual([]);
    expect((await bed.boot().workloads.release(del(pod))).released).toHaveLength(2);
  });
});

test("two suspects that the handle's object does not name are freed one by one, not what the handle has by now", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const { handle } = await ipam.workloads.assign(bed.pod("node-1", { vm: bed.vm("a").active }));
  // A process died between taking a second address and finding out that another was first.
  await ipam.affinities.claim("node-1", "10.0.0.192/26");
  await ipam.assign({ address: "10.0.0.193", handle, node: "node-1", maxPerHandle: 9 });
  const named = (await bed.store.get("IPAMHandle", handle))!;
  const { "10.0.0.192/26": _, ...block } = named.spec.block;
  await bed.store.replace("IPAMHandle", { ...named, spec: { ...named.spec, block } });
  let isTaken = false;
  const store: IpamStore = {
    ...bed.store,
    async get(kind, name) {
      const found = await bed.store.get(kind, name);
      if (kind !== "IPAMBlock" || isTaken || monotonic === 0 || !name.startsWith("10-0-0-192")) return found;
      isTaken = true;
      await bed.boot().owners.set({ address: "10.0.0.193", handle, active: { pod: "somebody" } });
      return bed.store.get(kind, name);
    },
  };
  let monotonic = 0;
  const collector = bed.boot({ store }).collector({ facts: bed.facts, monotonic: () => monotonic });
  await collector.scan();
  monotonic += 16 * minute;
  await collector.scan();
  expect(isTaken).toBe(true);
  expect((await bed.boot().owners.get("10.0.0.193")).active).toEqual({ pod: "somebody" });
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

test.each(["Enabled", "Disabled"] as const)(
  "a guest that runs keeps its address though no owner is recorded and its VM is being deleted (persistence %s)",
  async (persistence) => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const pod = bed.pod("node-1", { vm: bed.vm("a").active });
    const { addresses } = await ipam.workloads.assign(pod);
    bed.guestRunsIn("a", pod);
    for (const { address } of addresses)
      await ipam.owners.set({ address, handle: "net1.vmi.default.a", active: null });
    await ipam.configure({ kubeVirtVMAddressPersistence: persistence });
    bed.vms.delete("default/a");
    const settled = async () => {
      let now = 0;
      const collector = ipam.collector({ facts: bed.facts, monotonic: () => now });
      let released = 0;
      for (let round = 0; round < 3; round++, now += 20 * 60_000)
        released += (await collector.scan()).released.length;
      return released;
    };
    expect(await settled()).toBe(0);
    bed.pods.delete(`default/${pod.pod.name}`);
    bed.vmis.delete("default/a");
    expect(await settled()).toBe(2);
  },
);
