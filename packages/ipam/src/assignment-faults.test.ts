/** What is known to go wrong elsewhere when addresses are given, one test per fault; the others are in release-faults.test.ts. */
import { describe, expect, test } from "vitest";
import { handleName, vmHandle } from "./names.ts";
import { del, Testbed, texts } from "./testbed.ts";

const dns1123 = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

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
