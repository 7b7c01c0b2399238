/** What is known to go wrong elsewhere, one test per fault. */
import { describe, expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import { handleName, vmHandle } from "./names.ts";
import { del, Testbed, texts } from "./testbed.ts";

const minute = 60_000;
const dns1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function collecting(bed: Testbed, options: { graceMs?: number } = {}) {
  let monotonic = 0;
  const collector = bed.boot().collector({ facts: bed.facts, monotonic: () => monotonic, ...options });
  return async (passed = 0) => {
    monotonic += passed;
    return collector.scan();
  };
}

describe("identity", () => {
  test("1: promotion works on a network of any name", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    await ipam.workloads.assign(bed.pod("node-1", { network: "Tenant_Net", vm: active }));
    const moved = bed.pod("node-2", { network: "Tenant_Net", vm: target });
    const { addresses } = await ipam.workloads.assign(moved);
    await ipam.workloads.promote({
      network: "Tenant_Net",
      vm: { namespace: "default", name: "a" },
      pod: moved.pod,
    });
    for (const { address } of addresses) {
      expect(await ipam.owners.get(address)).toMatchObject({ active: { pod: moved.pod.name } });
    }
  });

  test("2 and 3: a VM name of any length makes a valid object name, and one handle", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const long = "a".repeat(253);
    const { active, target } = bed.vm(long);
    const first = await ipam.workloads.assign(bed.pod("node-1", { vm: active }));
    const second = await ipam.workloads.assign(bed.pod("node-2", { vm: target }));
    expect(second).toMatchObject({ handle: first.handle, addresses: first.addresses });
    for (const { metadata } of await bed.store.list("IPAMHandle")) expect(metadata.name).toMatch(dns1123);
    for (const network of ["net1", "Net_1", "-x", "n".repeat(300)])
      expect(handleName(vmHandle(network, "default", long))).toMatch(dns1123);
    expect(vmHandle("n", "a", "b".repeat(200))).not.toBe(vmHandle("n", "a", `${"b".repeat(199)}c`));
  });

  test("4: without a verified VM a pod called virt-launcher gets an address of its own", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const vm = await ipam.workloads.assign(bed.pod("node-1", { vm: bed.vm("a").active }));
    const plain = bed.pod("node-1");
    const forged = { ...plain, pod: { ...plain.pod, name: "virt-launcher-a-xyz" } };
    const other = await ipam.workloads.assign(forged);
    expect(other.owner).toBe("sole");
    expect(texts(other)).not.toEqual(texts(vm));
  });

  test("5: a late retry of an old pod does not steal ownership", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active } = bed.vm("a");
    const old = bed.pod("node-1", { vm: active });
    const { addresses } = await ipam.workloads.assign(old);
    const next = bed.pod("node-2", { vm: active });
    await ipam.workloads.assign(next);
    await expect(ipam.workloads.assign(old)).rejects.toMatchObject({ code: "OwnedByNewerPod" });
    expect(await ipam.owners.get(addresses[0]!.address)).toMatchObject({
      active: { pod: next.pod.name },
      alternate: null,
    });
  });

  test("5: the retry of a finished target leaves it active and the alternate side alone", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    await ipam.workloads.assign(bed.pod("node-1", { vm: active }));
    const moved = bed.pod("node-2", { vm: target });
    await ipam.workloads.assign(moved);
    await ipam.workloads.promote({
      network: "net1",
      vm: { namespace: "default", name: "a" },
      pod: moved.pod,
    });
    const again = await ipam.workloads.assign(moved);
    expect(again).toMatchObject({ owner: "active", reused: true });
    expect((await ipam.owners.get(texts(again)[0]!)).alternate).toMatchObject({ pod: "virt-launcher-1" });
  });

  test("5: the retry of a source that a later migration has left is refused, though its record is still there", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    await ipam.workloads.assign(bed.pod("node-1", { vm: active }));
    const promote = async (pod: { namespace: string; name: string; uid: string }) =>
      ipam.workloads.promote({ network: "net1", vm: { namespace: "default", name: "a" }, pod });
    const [second, third] = [bed.pod("node-2", { vm: target }), bed.pod("node-3", { vm: target })];
    await ipam.workloads.assign(second);
    await promote(second.pod);
    const { addresses } = await ipam.workloads.assign(third);
    await promote(third.pod);
    await expect(ipam.workloads.assign(second)).rejects.toMatchObject({ code: "OwnedByNewerPod" });
    expect(await ipam.owners.get(addresses[0]!.address)).toMatchObject({
      active: { pod: third.pod.name },
      alternate: { pod: second.pod.name },
    });
  });

  test("6: a changed request is refused with the field it changed", async () => {
    const bed = new Testbed("10.0.0.0/24", "10.1.0.0/24", "fd00::/112");
    const ipam = bed.boot();
    const { active } = bed.vm("a");
    const first = bed.pod("node-1", { vm: active, addresses: ["10.0.0.77", "fd00::77"] });
    expect(texts(await ipam.workloads.assign(first))).toEqual(["10.0.0.77", "fd00::77"]);
    await ipam.workloads.release(del(first));
    const changed = ipam.workloads.assign(bed.pod("node-1", { vm: active, addresses: ["10.0.0.78"] }));
    await expect(changed).rejects.toMatchObject({ code: "RequestChanged", field: "addresses" });
    const elsewhere = ipam.workloads.assign(bed.pod("node-1", { vm: active, pools: { 4: ["10-1-0-0-24"] } }));
    await expect(elsewhere).rejects.toMatchObject({ code: "RequestChanged", field: "pools[4]" });
    const same = ipam.workloads.assign(bed.pod("node-1", { vm: active, pools: { 4: ["10.0.0.0/24"] } }));
    expect(texts(await same)).toEqual(["10.0.0.77", "fd00::77"]);
  });

  test("6: a static MAC is remembered, and a target with another one is refused", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    await ipam.workloads.assign(bed.pod("node-1", { vm: active, mac: "02:00:00:00:00:01" }));
    expect((await ipam.workloads.assign(bed.pod("node-2", { vm: target }))).mac).toBe("02:00:00:00:00:01");
    const other = ipam.workloads.assign(bed.pod("node-3", { vm: target, mac: "02:00:00:00:00:02" }));
    await expect(other).rejects.toMatchObject({ code: "RequestChanged", field: "mac" });
  });
});

describe("addresses", () => {
  test("7: static addresses of both families are given at once", async () => {
    const bed = new Testbed();
    const request = bed.pod("node-1", { vm: bed.vm("a").active, addresses: ["fd00::5", "10.0.0.5"] });
    expect(texts(await bed.boot().workloads.assign(request)).sort()).toEqual(["10.0.0.5", "fd00::5"]);
  });

  test("7: if one of them is taken, neither is", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    await ipam.workloads.assign(bed.pod("node-1", { addresses: ["fd00::5"] }));
    const request = bed.pod("node-1", { vm: bed.vm("a").active, addresses: ["10.0.0.5", "fd00::5"] });
    await expect(ipam.workloads.assign(request)).rejects.toMatchObject({ code: "AddressInUse" });
    expect((await ipam.show("10.0.0.5")).inUse).toBe(false);
  });

  test("8: a retried ADD with static addresses frees nothing", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    await ipam.workloads.assign(bed.pod("node-1", { vm: active, addresses: ["10.0.0.9"] }));
    const moved = bed.pod("node-2", { vm: target, addresses: ["10.0.0.9"] });
    for (let i = 0; i < 3; i++) expect(texts(await ipam.workloads.assign(moved))).toEqual(["10.0.0.9"]);
    expect((await ipam.owners.get("10.0.0.9")).active).toMatchObject({ pod: "virt-launcher-1" });
  });

  test.each(["disabled", "deleted"])(
    "9: a %s pool breaks neither migration nor recreation nor release",
    async (fate) => {
      const bed = new Testbed();
      const ipam = bed.boot();
      const { active, target } = bed.vm("a");
      const source = bed.pod("node-1", { vm: active });
      const { addresses } = await ipam.workloads.assign(source);
      for (const cidr of ["10.0.0.0/24", "fd00::/112"])
        if (fate === "disabled") await bed.setPool(cidr, { disabled: true });
        else await ipam.pools.delete(cidr.replace(/[.:/]/g, "-"));
      const moved = bed.pod("node-2", { vm: target });
      expect(await ipam.workloads.assign(moved)).toMatchObject({ addresses, owner: "alternate" });
      await ipam.workloads.promote({
        network: "net1",
        vm: { namespace: "default", name: "a" },
        pod: moved.pod,
      });
      await ipam.workloads.release(del(source));
      await ipam.workloads.release(del(moved));
      const again = bed.pod("node-3", { vm: active });
      expect(await ipam.workloads.assign(again)).toMatchObject({ addresses, owner: "active" });
      expect((await ipam.workloads.release(del(again, true))).released).toHaveLength(2);
    },
  );
});

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
