/** What was found to lose or to steal an address, one test per way; ids are those of docs/faults.md. */
import { describe, expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import { containerHandle, vmHandle } from "./names.ts";
import type { IpamStore } from "./store.ts";
import { StoreError } from "./store.ts";
import { del, Testbed, texts } from "./testbed.ts";
import type { WorkloadRequest } from "./workload-types.ts";

const ownersOf = async (bed: Testbed, address: string) => {
  const { active, alternate } = await bed.boot().owners.get(address);
  return [active?.pod, alternate?.pod];
};
const inUse = async (bed: Testbed, addresses: readonly string[]) =>
  Promise.all(addresses.map(async (address) => (await bed.boot().show(address)).inUse));

describe("I1: a text that two kinds of owner can spell", () => {
  test("DEL of a pod whose namespace and name spell a VM's handle frees nothing of the VM", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const vm = bed.pod("node-1", { network: "k8s-pod-network", vm: bed.vm("my-vm").active });
    const addresses = texts(await ipam.workloads.assign(vm));
    const base = bed.pod("node-1", { network: "k8s-pod-network" });
    const pod = { ...base.pod, namespace: "k8s-pod-network", name: "vmi.default.my-vm" };
    const evil = { ...base, pod };
    expect(await ipam.workloads.release(del(evil))).toEqual({ released: [], kept: [] });
    // Nor when that pod has addresses of its own.
    const own = texts(await ipam.workloads.assign(evil));
    expect([...(await ipam.workloads.release(del(evil))).released].sort()).toEqual(own.sort());
    expect(await inUse(bed, addresses)).toEqual([true, true]);
  });

  test("what an old version recorded under namespace.pod is still given back by that pod alone", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const record = { pod: "web", namespace: "default", node: "node-1" };
    await ipam.assign({ address: "10.0.0.9", handle: "default.web", node: "node-1", attributes: record });
    const of = (namespace: string, name: string) =>
      ipam.workloads.release({
        network: "net1",
        containerId: `c-${name}`,
        node: "node-1",
        pod: { namespace, name },
      });
    expect((await of("default", "other")).released).toEqual([]);
    expect((await of("default", "web")).released).toEqual(["10.0.0.9"]);
  });

  test.each(["vmi", "a.vmi", "a.vmi.default", "VMI.x"])(
    "network %j could spell a VM's handle and is refused",
    (network) => {
      expect(() => vmHandle(network, "default", "a")).toThrow("RequestInvalid");
      expect(() => containerHandle(network, "c1")).toThrow("RequestInvalid");
    },
  );

  test("a container ID that spells a VM's handle is refused", () => {
    expect(() => containerHandle("net", "vmi.default.a")).toThrow("RequestInvalid");
  });

  test("a handle whose records are another VM's is refused, not shared", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const request = bed.pod("node-1", { vm: bed.vm("a").active });
    const { handle } = await ipam.workloads.assign(request);
    const object = (await bed.store.get("IPAMHandle", handle))!;
    const annotations = { ...object.metadata.annotations, "ipam.fairlead.dev/vm-name": "b" };
    await bed.store.replace("IPAMHandle", { ...object, metadata: { ...object.metadata, annotations } });
    const again = ipam.workloads.assign(bed.pod("node-2", { vm: bed.vm("a").target }));
    await expect(again).rejects.toMatchObject({ code: "HandleCollision" });
    await expect(ipam.workloads.release(del(request, true))).rejects.toMatchObject({
      code: "HandleCollision",
    });
  });
});

describe("I3: a call that fails gives back only what it wrote and nobody took over", () => {
  test.each([
    ["IPv4", "10-", "fd00"],
    ["IPv6", "fd00", "10-"],
  ])("%s was taken over by a newer pod of the VM while the other family failed", async (_, first, second) => {
    const bed = new Testbed();
    const { active } = bed.vm("a");
    const [old, next] = [bed.pod("node-1", { vm: active }), bed.pod("node-2", { vm: active })];
    let given: string[] | undefined;
    let isWritten = false;
    const store: IpamStore = {
      ...bed.store,
      async replace(kind, object) {
        if (kind === "IPAMBlock" && object.metadata.name.startsWith(second)) {
          while (!isWritten) await new Promise((resolve) => setImmediate(resolve));
          given ??= texts(await bed.boot().workloads.assign(next));
          throw new StoreError("Refused", "webhook timed out");
        }
        const written = await bed.store.replace(kind, object);
        isWritten ||= kind === "IPAMBlock" && object.metadata.name.startsWith(first);
        return written;
      },
    };
    await expect(bed.boot({ store }).workloads.assign(old)).rejects.toMatchObject({
      code: "DatastoreRefused",
    });
    expect(await inUse(bed, given!)).toEqual([true, true]);
    expect(await ownersOf(bed, given![0]!)).toEqual([next.pod.name, undefined]);
    expect(texts(await bed.boot().workloads.assign(next))).toEqual(given);
  });

  test("nobody took over: both families go back, and the next call starts afresh elsewhere", async () => {
    const bed = new Testbed("10.0.0.0/24", "10.1.0.0/24", "fd00::/112");
    const store = createFaultyStore(bed.store, {
      fault: ({ verb, kind, number }) =>
        verb === "replace" && kind === "IPAMBlock" && number > 1 ? "refuse" : undefined,
    });
    const request = bed.pod("node-1", { vm: bed.vm("a").active, pools: { 4: ["10.0.0.0/24"] } });
    await expect(bed.boot({ store }).workloads.assign(request)).rejects.toMatchObject({
      code: "DatastoreRefused",
    });
    expect((await bed.boot().overview()).pools.map(({ used }) => used)).toEqual([0, 0, 0]);
    const corrected = await bed.boot().workloads.assign({ ...request, pools: { 4: ["10.1.0.0/24"] } });
    expect(texts(corrected)[0]).toMatch(/^10\.1\./);
  });
});

describe("I4, I5, V1: ownership follows from where the guest runs", () => {
  test("DEL of a sandbox that a newer one of the same pod replaced clears nothing", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active, target } = bed.vm("a");
    const first = bed.pod("node-1", { vm: active });
    await ipam.workloads.assign(first);
    const second = { ...first, containerId: "second" };
    const [address] = texts(await ipam.workloads.assign(second));
    for (const vm of [undefined, { ...active, deleting: false }])
      await ipam.workloads.release({ ...first, vm });
    expect(await ownersOf(bed, address!)).toEqual([first.pod.name, undefined]);
    expect((await ipam.workloads.assign(bed.pod("node-2", { vm: target }))).owner).toBe("alternate");
    await ipam.workloads.release({ ...second, vm: { ...active, deleting: false } });
    expect(await ownersOf(bed, address!)).toEqual([undefined, "virt-launcher-2"]);
  });

  test("the next migration's target does not push out the pod that the guest has reached, written down or not", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    const { active, target } = bed.vm("a");
    const a = bed.pod("node-1", { vm: active });
    const [address] = texts(await ipam.workloads.assign(a));
    const b = bed.pod("node-2", { vm: target });
    await ipam.workloads.assign(b);
    const guest = { pod: b.pod.name, revision: "20" };
    const c = bed.pod("node-3", { vm: { ...target, guest } });
    await ipam.workloads.assign(c);
    expect(await ownersOf(bed, address!)).toEqual([b.pod.name, c.pod.name]);
    await ipam.workloads.release(del(a));
    await ipam.workloads.release(del(c));
    expect(await ownersOf(bed, address!)).toEqual([b.pod.name, undefined]);
  });

  test("a late promotion succeeds though its record was overwritten", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    const { active, target } = bed.vm("a");
    const [a, b, c] = [
      bed.pod("node-1", { vm: active }),
      bed.pod("node-2", { vm: target }),
      bed.pod("node-3", { vm: target }),
    ] as const;
    const [address] = texts(await ipam.workloads.assign(a));
    await ipam.workloads.assign(b);
    await ipam.workloads.assign(c);
    bed.guestRunsIn("a", b);
    expect(await ipam.workloads.promote(bed.promotion("a", b))).toBe("owner");
    expect(await ownersOf(bed, address!)).toEqual([b.pod.name, c.pod.name]);
    for (const gone of [a, c]) await ipam.workloads.release(del(gone));
    expect(await ownersOf(bed, address!)).toEqual([b.pod.name, undefined]);
    expect((await ipam.workloads.assign(bed.pod("node-1", { vm: target }))).owner).toBe("alternate");
  });

  test("an agent with old news cannot promote the pod that the guest has left", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    const { active, target } = bed.vm("a");
    const [a, b] = [bed.pod("node-1", { vm: active }), bed.pod("node-2", { vm: target })];
    const [address] = texts(await ipam.workloads.assign(a));
    await ipam.workloads.assign(b);
    bed.guestRunsIn("a", b);
    expect(await ipam.workloads.promote(bed.promotion("a", b))).toBe("owner");
    expect(await ipam.workloads.promote(bed.promotion("a", a))).toBe("elsewhere");
    // Not even if KubeVirt's word changes between the reading and the write.
    const late = {
      ...bed.facts,
      vmi: async () => ({ ...(await bed.facts.vmi("default", "a"))!, guestPod: a.pod.name, revision: "1" }),
    };
    await expect(bed.boot({ facts: late }).workloads.promote(bed.promotion("a", a))).rejects.toMatchObject({
      code: "OwnerConflict",
    });
    expect(await ownersOf(bed, address!)).toEqual([b.pod.name, a.pod.name]);
    await ipam.workloads.release(del(a));
    expect((await ipam.workloads.assign(bed.pod("node-3", { vm: target }))).owner).toBe("alternate");
  });

  test("a target whose news are older than the record asks again", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    const { active, target } = bed.vm("a");
    const [a, b] = [bed.pod("node-1", { vm: active }), bed.pod("node-2", { vm: target })];
    await ipam.workloads.assign(a);
    const [address] = texts(await ipam.workloads.assign(b));
    bed.guestRunsIn("a", b);
    await ipam.workloads.promote(bed.promotion("a", b));
    const c = bed.pod("node-3", { vm: { ...target, guest: { pod: a.pod.name, revision: "1" } } });
    expect((await ipam.workloads.assign(c)).owner).toBe("alternate");
    expect(await ownersOf(bed, address!)).toEqual([b.pod.name, c.pod.name]);
  });

  test("a lost record of the source is made anew from what the cluster says", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    const { active, target } = bed.vm("a");
    const a = bed.pod("node-1", { vm: active });
    const addresses = texts(await ipam.workloads.assign(a));
    await ipam.workloads.release(del(a));
    const guest = { pod: a.pod.name, revision: "9" };
    const b = bed.pod("node-2", { vm: { ...target, guest } });
    await expect(ipam.workloads.assign(b)).rejects.toMatchObject({ code: "NoAddressForTarget" });
    bed.pods.set(`default/${a.pod.name}`, { ...bed.pods.get(`default/${a.pod.name}`)!, addresses });
    expect((await ipam.workloads.assign(b)).owner).toBe("alternate");
    expect(await ownersOf(bed, addresses[0]!)).toEqual([a.pod.name, b.pod.name]);
  });
});

describe("I6, I8: nobody takes a VM's name or place", () => {
  test("a second pod of a VMI that never migrated is refused while the first has not ended", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    const { active } = bed.vm("a");
    const launcher = bed.pod("node-1", { vm: active });
    const [address] = texts(await ipam.workloads.assign(launcher));
    const forged = bed.pod("node-1", { vm: active });
    await expect(ipam.workloads.assign(forged)).rejects.toMatchObject({ code: "OwnerUndecided" });
    await ipam.workloads.release(del(forged));
    expect(await ownersOf(bed, address!)).toEqual([launcher.pod.name, undefined]);
    bed.pods.set(`default/${launcher.pod.name}`, {
      ...bed.pods.get(`default/${launcher.pod.name}`)!,
      phase: "Failed",
    });
    expect((await ipam.workloads.assign(forged)).owner).toBe("active");
  });

  test.each(["inherit", "renew"] as const)(
    "a VMI without owner neither gets nor frees the address of a stopped VM of its name (%s)",
    async (replacedVm) => {
      const bed = new Testbed();
      const ipam = bed.boot({ facts: bed.facts, replacedVm });
      const vm = bed.pod("node-1", { vm: bed.vm("a").active });
      const addresses = texts(await ipam.workloads.assign(vm));
      await ipam.workloads.release(del(vm));
      const stranger = bed.pod("node-1", { vm: { name: "a", vmiUid: "other", role: "active" } });
      await expect(ipam.workloads.assign(stranger)).rejects.toMatchObject({ code: "PreviousVmPresent" });
      expect((await ipam.workloads.release(del(stranger, true))).released).toEqual([]);
      expect(await inUse(bed, addresses)).toEqual([true, true]);
      const again = bed.pod("node-2", { vm: { ...bed.vm("a").active, vmiUid: "next" } });
      expect(texts(await ipam.workloads.assign(again))).toEqual(addresses);
    },
  );

  test("a VM gets the address of a VMI of its name only when that is gone", async () => {
    const bed = new Testbed();
    const ipam = bed.boot({ facts: bed.facts });
    bed.vmis.set("default/a", { uid: "alone", ownerUid: undefined, deleting: false });
    const alone = bed.pod("node-1", { vm: { name: "a", vmiUid: "alone", role: "active" } });
    const addresses = texts(await ipam.workloads.assign(alone));
    await ipam.workloads.release(del(alone));
    const vm = bed.pod("node-1", { vm: { name: "a", vmUid: "vm", vmiUid: "next", role: "active" } });
    await expect(ipam.workloads.assign(vm)).rejects.toMatchObject({ code: "PreviousVmPresent" });
    bed.vmis.delete("default/a");
    expect(texts(await ipam.workloads.assign(vm))).toEqual(addresses);
  });

  test("DEL of a pod that the guest has left frees nothing, though the VM is being deleted and no owner is recorded", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const { active } = bed.vm("a");
    const a = bed.pod("node-1", { vm: active });
    const addresses = texts(await ipam.workloads.assign(a));
    const leaving = { ...del(a), vm: { ...active, deleting: true, guest: { pod: "b", revision: "5" } } };
    expect(await ipam.workloads.release(leaving)).toEqual({ released: [], kept: addresses });
  });
});

describe("I9: after an uncertain failure nothing is finished", () => {
  test("an ADD whose write landed unheard is cleaned by DEL", async () => {
    const bed = new Testbed("10.0.0.0/24");
    let state: "well" | "lose" | "fail" = "lose";
    const store = createFaultyStore(bed.store, {
      fault: ({ verb, kind }) => {
        if (state === "lose" && (verb !== "replace" || kind !== "IPAMBlock")) return undefined;
        const fault = state;
        if (state === "lose") state = "fail";
        return fault === "well" ? undefined : fault;
      },
    });
    const ipam = bed.boot({ store });
    const request = bed.pod("node-1", { families: [4] });
    await expect(ipam.workloads.assign(request)).rejects.toMatchObject({ code: "DatastoreUnavailable" });
    expect((await bed.boot().overview()).pools.map(({ used }) => used)).toEqual([1]);
    state = "well";
    expect((await ipam.workloads.release(del(request))).released).toHaveLength(1);
    expect((await bed.boot().overview()).pools.map(({ used }) => used)).toEqual([0]);
  });
});

describe("requests of an ADD", () => {
  async function countOf(bed: Testbed, request: WorkloadRequest) {
    const store = createFaultyStore(bed.store);
    const ipam = bed.boot({ store, settings: bed.settings });
    // A node that has its blocks already, as all have but for their first pod.
    await ipam.workloads.assign(bed.pod(request.node));
    const before = store.calls.length;
    await ipam.workloads.assign(request);
    return store.calls.slice(before).map(({ verb, kind }) => `${verb} ${kind}`);
  }

  test("a new VM takes five, a restarted one and a target five on another node", async () => {
    const bed = new Testbed();
    const { active, target } = bed.vm("a");
    const source = bed.pod("node-1", { vm: active });
    expect(await countOf(bed, source)).toEqual([
      "get IPAMHandle",
      "create IPAMHandle",
      "replace IPAMBlock",
      "replace IPAMBlock",
      "get IPAMHandle",
    ]);
    const moving = [
      "get IPAMHandle",
      "get IPAMBlock",
      "get IPAMBlock",
      "replace IPAMBlock",
      "replace IPAMBlock",
    ];
    expect(await countOf(bed, bed.pod("node-2", { vm: target }))).toEqual(moving);
    await bed.boot().workloads.release(del(source));
    const again = { ...active, vmiUid: "next" };
    expect(await countOf(bed, bed.pod("node-3", { vm: again }))).toEqual(moving);
  });
});
