/** What is known to go wrong elsewhere when addresses are given back, one test per fault; the others are in assignment-faults.test.ts. */
import { describe, expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import { del, Testbed, texts } from "./testbed.ts";

const minute = 60_000;

function collecting(bed: Testbed, options: { graceMs?: number } = {}) {
  let monotonic = 0;
  const collector = bed.boot().collector({ facts: bed.facts, monotonic: () => monotonic, ...options });
  return async (passed = 0) => {
    monotonic += passed;
    return collector.scan();
  };
}

describe("release", () => {
  test("10: a DEL after the pod object is gone clears its ownership", async () => {
    const bed = new Testbed();
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    const { addresses } = await bed.boot().workloads.assign(request);
    const { vm: _, ...unverified } = request;
    const ipam = bed.boot();
    await ipam.workloads.release(unverified);
    expect(await ipam.owners.get(addresses[0]!.address)).toMatchObject({ active: null, alternate: null });
  });

  test("10: and with persistence disabled it frees the container's address", async () => {
    const bed = new Testbed();
    await bed.boot().configure({ kubeVirtVMAddressPersistence: "Disabled" });
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    await bed.boot().workloads.assign(request);
    const { vm: _, ...unverified } = request;
    expect((await bed.boot().workloads.release(unverified)).released).toHaveLength(2);
  });

  test("11: a DEL while the VM is replaced succeeds", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    await ipam.workloads.assign(request);
    const replaced = {
      ...del(request),
      vm: { name: "a", vmUid: "another", vmiUid: "another", deleting: false },
    };
    expect((await ipam.workloads.release(replaced)).kept).toHaveLength(2);
    expect((await ipam.workloads.release(replaced)).kept).toHaveLength(2);
  });

  test("12: a conflict on one family does not leave the other half cleared", async () => {
    const bed = new Testbed();
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    const { addresses } = await bed.boot().workloads.assign(request);
    let conflicts = 0;
    const store = createFaultyStore(bed.store, {
      fault: ({ verb, kind }) =>
        verb === "replace" && kind === "IPAMBlock" && conflicts++ < 3 ? "conflict" : undefined,
    });
    await bed.boot({ store }).workloads.release(del(request));
    expect(conflicts).toBeGreaterThan(3);
    for (const { address } of addresses) expect((await bed.boot().owners.get(address)).active).toBeNull();
  });
});

describe("collection", () => {
  test("13: a VM deleted while stopped gives its address back, also after the controller was restarted", async () => {
    const bed = new Testbed();
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    const { addresses } = await bed.boot().workloads.assign(request);
    await bed.boot().workloads.release(del(request));
    bed.pods.clear();
    const kept = collecting(bed);
    await kept();
    expect((await kept(60 * minute)).released).toEqual([]);
    bed.vms.clear();
    const scan = collecting(bed);
    await scan();
    expect((await scan(16 * minute)).released).toHaveLength(addresses.length);
    expect(await bed.store.list("IPAMHandle")).toEqual([]);
  });

  test.each(["inherit", "renew"] as const)(
    "14: a new VM of an old name, policy %s, waits for the old pods",
    async (replacedVm) => {
      const bed = new Testbed();
      const ipam = bed.boot({ facts: bed.facts, replacedVm });
      const old = bed.pod("node-1", { vm: bed.vm("a").active });
      const before = await ipam.workloads.assign(old);
      const fresh = bed.pod("node-2", { vm: bed.vm("a", { uid: "vm-new", vmiUid: "vmi-new" }).active });
      await expect(ipam.workloads.assign(fresh)).rejects.toMatchObject({ code: "PreviousVmPresent" });
      bed.pods.delete(`default/${old.pod.name}`);
      const after = await ipam.workloads.assign(fresh);
      expect(after.owner).toBe("active");
      if (replacedVm === "inherit") expect(texts(after)).toEqual(texts(before));
      else expect(texts(after)).not.toEqual(texts(before));
    },
  );

  test("15: the alternate owner counts, and a VM on a deleted node has its full grace", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    const source = bed.pod("node-1", { vm: active });
    await ipam.workloads.assign(source);
    await ipam.workloads.assign(bed.pod("node-2", { vm: target }));
    bed.nodes.delete("node-1");
    bed.pods.delete(`default/${source.pod.name}`);
    bed.vms.clear();
    const scan = collecting(bed);
    await scan();
    expect((await scan(60 * minute)).released).toEqual([]);
    bed.pods.clear();
    const again = collecting(bed);
    await again();
    expect((await again(4 * minute)).released).toEqual([]);
    expect((await again(12 * minute)).released).toHaveLength(2);
  });

  test("15: a migrated VM does not hold back the blocks of a deleted node", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    const source = bed.pod("node-1", { vm: active });
    const { addresses } = await ipam.workloads.assign(source);
    const moved = bed.pod("node-2", { vm: target });
    await ipam.workloads.assign(moved);
    await ipam.workloads.promote({
      network: "net1",
      vm: { namespace: "default", name: "a" },
      pod: moved.pod,
    });
    await ipam.workloads.release(del(source));
    bed.nodes.delete("node-1");
    const scan = collecting(bed);
    await scan();
    expect((await scan(minute)).releasedBlocks).toHaveLength(2);
    expect(await ipam.owners.get(addresses[0]!.address)).toMatchObject({ active: { pod: moved.pod.name } });
  });

  test("16: grace 0 switches collection off, for VMs too", async () => {
    const bed = new Testbed();
    await bed.boot().workloads.assign(bed.pod("node-1", { vm: bed.vm("a").active }));
    bed.pods.clear();
    bed.vms.clear();
    const scan = collecting(bed, { graceMs: 0 });
    await scan();
    expect((await scan(600 * minute)).released).toEqual([]);
  });

  test("17: check does not call a stopped VM's address leaked, nor would release take it", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    await ipam.workloads.assign(request);
    await ipam.workloads.release(del(request));
    const vms = [{ namespace: "default", name: "a", uid: "vm-a", deleting: false }];
    const report = await ipam.check({ pods: [], nodes: [], vms, vmis: [] });
    expect(report.leaked).toEqual([]);
    expect((await ipam.check({ pods: [], nodes: [], vms: [], vmis: [] })).leaked).toHaveLength(2);
  });
});

describe("records", () => {
  test("18: a handle counts what was obtained, not what was asked for", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/29", blockSize: 30 });
    const ipam = bed.boot();
    const ask = (handle: string, count: number) =>
      ipam.allocate({ handle, node: "node-1", count: { 4: count }, use: "Workload" });
    await ask("first", 3);
    const { addresses, shortages } = await ask("second", 6);
    expect(addresses).toHaveLength(5);
    expect(shortages.map(({ code }) => code)).toEqual(["AddressesExhausted"]);
    const handle = await bed.store.get("IPAMHandle", "second");
    expect(Object.values(handle!.spec.block).sort()).toEqual([1, 4]);
  });

  test("18: addresses that shared one attribute entry change owner one by one", async () => {
    const bed = new Testbed();
    const allocations = new Array<number | null>(64).fill(null).fill(0, 0, 2);
    bed.store.load("IPAMBlock", {
      metadata: { name: "10-0-0-0-26" },
      spec: {
        cidr: "10.0.0.0/26",
        affinity: "host:node-1",
        allocations,
        unallocated: Array.from({ length: 62 }, (_, i) => i + 2),
        attributes: [{ handle_id: "h", secondary: { pod: "p", namespace: "n" } }],
      },
    });
    const ipam = bed.boot();
    await ipam.owners.set({ address: "10.0.0.0", handle: "h", active: { pod: "q", namespace: "n" } });
    expect((await ipam.owners.get("10.0.0.1")).active).toEqual({ pod: "p", namespace: "n" });
  });

  test("19: switching persistence off and on with a running VM strands nothing", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    const persistent = bed.pod("node-1", { vm: active });
    await ipam.workloads.assign(persistent);
    await ipam.configure({ kubeVirtVMAddressPersistence: "Disabled" });
    await expect(ipam.workloads.assign(bed.pod("node-2", { vm: target }))).rejects.toThrow(
      "not allowed when KubeVirtVMAddressPersistence is disabled",
    );
    expect((await ipam.workloads.release(del(persistent))).released).toHaveLength(2);
    const ordinary = bed.pod("node-1", { vm: active });
    expect((await ipam.workloads.assign(ordinary)).owner).toBe("sole");
    await ipam.configure({ kubeVirtVMAddressPersistence: "Enabled" });
    await expect(ipam.workloads.assign(bed.pod("node-2", { vm: target }))).rejects.toMatchObject({
      code: "NoAddressForTarget",
    });
    expect((await ipam.workloads.release(del(ordinary))).released).toHaveLength(2);
    expect((await ipam.overview()).pools.map(({ used }) => used)).toEqual([0, 0]);
  });
});
