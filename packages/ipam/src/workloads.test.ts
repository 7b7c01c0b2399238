import { FakeCluster } from "@fairlead/api/fake";
import { beforeEach, describe, expect, test } from "vitest";
import { createIpam, type Ipam } from "./ipam.ts";
import { createKubernetesStore } from "./kubernetes-store.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { IpamStore } from "./store.ts";
import type { WorkloadRequest } from "./workload-types.ts";

let store: IpamStore;
let ipam: Ipam;
let now: Date;

const stores = {
  memory: () => createMemoryStore(() => now),
  Kubernetes: () => createKubernetesStore({ client: new FakeCluster({ now: () => now.getTime() }).client() }),
};

describe.each(Object.entries(stores))("on a %s store", (_, createStore) => {
  beforeEach(async () => {
    now = new Date("2026-01-01T00:00:00Z");
    store = createStore();
    await store.create("IPPool", { metadata: { name: "v4" }, spec: { cidr: "10.0.0.0/16" } });
    await store.create("IPPool", { metadata: { name: "v6" }, spec: { cidr: "fd00:10::/64" } });
    ipam = createIpam({ store, clock: () => now });
  });

  let pods = 0;
  function pod(node: string, more: Partial<WorkloadRequest> = {}): WorkloadRequest {
    const n = ++pods;
    return {
      network: "net1",
      containerId: `container${n}`,
      node,
      pod: {
        namespace: "default",
        name: `pod-${n}`,
        uid: `uid-${n}`,
        creationTimestamp: new Date(now.getTime() + n * 1000).toISOString(),
      },
      families: [4, 6],
      ...more,
    };
  }

  const vm = (name: string, role: "active" | "target" = "active") => ({
    name,
    vmUid: `vm-${name}`,
    vmiUid: `vmi-${name}`,
    role,
  });

  describe("an ordinary pod", () => {
    test("gets one address per family, with the prefix length of its block", async () => {
      const request = pod("node-1");
      const { addresses, owner, reused, handle } = await ipam.workloads.assign(request);
      expect(addresses.map(({ family, blockPrefixLength }) => [family, blockPrefixLength])).toEqual([
        [4, 26],
        [6, 122],
      ]);
      expect({ owner, reused, handle }).toEqual({
        owner: "sole",
        reused: false,
        handle: `net1.${request.containerId}`,
      });
      const again = await ipam.workloads.assign(request);
      expect(again.addresses).toEqual(addresses);
      expect(again.reused).toBe(true);
      const { released } = await ipam.workloads.release({ ...request, vm: undefined });
      expect([...released].sort()).toEqual(addresses.map(({ address }) => address).sort());
      expect((await ipam.workloads.release({ ...request, vm: undefined })).released).toEqual([]);
    });

    test("shares its block write with the pods that start at the same time", async () => {
      await ipam.workloads.assign(pod("node-1", { families: [4] }));
      let writes = 0;
      const replace = store.replace;
      store.replace = (kind, object) => {
        writes++;
        return replace(kind, object);
      };
      const all = await Promise.all(
        Array.from({ length: 50 }, () => ipam.workloads.assign(pod("node-1", { families: [4] }))),
      );
      expect(new Set(all.map(({ addresses }) => addresses[0]!.address)).size).toBe(50);
      expect(writes).toBeLessThanOrEqual(2);
    });
  });

  describe("a VM", () => {
    test("keeps its addresses through recreation, migration and power-off, and gives them back when it is deleted", async () => {
      const source = pod("node-1", { vm: vm("vm1") });
      const first = await ipam.workloads.assign(source);
      expect(first).toMatchObject({ owner: "active", reused: false, handle: "net1.vmi.default.vm1" });

      const target = pod("node-2", { vm: { ...vm("vm1", "target"), migrationUid: "mig" } });
      const second = await ipam.workloads.assign(target);
      expect(second).toMatchObject({ owner: "alternate", reused: true, addresses: first.addresses });

      await ipam.workloads.promote({
        network: "net1",
        vm: { namespace: "default", name: "vm1" },
        pod: target.pod,
      });
      await ipam.workloads.promote({
        network: "net1",
        vm: { namespace: "default", name: "vm1" },
        pod: target.pod,
      });
      const leaving = { ...source, vm: { ...vm("vm1"), deleting: false } };
      expect(await ipam.workloads.release(leaving)).toEqual({
        released: [],
        kept: first.addresses.map((a) => a.address),
      });
      await ipam.workloads.release({ ...target, vm: { ...vm("vm1"), deleting: false } });

      const restarted = pod("node-3", { vm: { ...vm("vm1"), vmiUid: "vmi-new" } });
      expect(await ipam.workloads.assign(restarted)).toMatchObject({
        owner: "active",
        reused: true,
        addresses: first.addresses,
      });
      const gone = await ipam.workloads.release({ ...restarted, vm: { ...vm("vm1"), deleting: true } });
      expect(gone.released.length).toBe(2);
      expect(await store.list("IPAMHandle")).toEqual([]);
    });

    test("leaves a node without a look at the blocks of the others", async () => {
      const request = pod("node-1", { vm: vm("vm1") });
      await ipam.workloads.assign(request);
      const lists: string[] = [];
      const list = store.list;
      store.list = (kind) => {
        lists.push(kind);
        return list(kind);
      };
      const leaving = { ...request, vm: { ...vm("vm1"), deleting: false } };
      expect((await ipam.workloads.release(leaving)).kept).toHaveLength(2);
      expect(lists).not.toContain("IPAMBlock");
      // Nothing is known of a pod that was never an owner: it might hold an address of its own, anywhere.
      await ipam.workloads.release({ ...pod("node-1"), vm: { ...vm("vm1"), deleting: false } });
      expect(lists).toContain("IPAMBlock");
    });
  });
});
