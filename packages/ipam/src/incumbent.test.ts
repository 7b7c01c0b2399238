/** Taking over a cluster: what the incumbent wrote is read, used, changed and left in a form it can read. */
import { FakeCluster } from "@fairlead/api/fake";
import { describe, expect, test } from "vitest";
import { incumbentObjects, incumbentReport } from "./incumbent.fixture.ts";
import { createKubernetesStore } from "./kubernetes-store.ts";
import { parseLeakReport, writeLeakReport } from "./leak-report.ts";
import { affinityLabels, affinityName } from "./names.ts";
import { renderCheck } from "./render-check.ts";
import { renderShow } from "./render-show.ts";
import type { BlockAffinity } from "./resources.ts";
import { ipamKinds } from "./resources.ts";
import { del, Testbed, texts } from "./testbed.ts";

const network = "k8s-pod-network";

function takenOver(): Testbed {
  const bed = new Testbed({ cidr: "10.99.0.0/24", nodeSelector: "has(nobody)" });
  for (const kind of ipamKinds) for (const object of incumbentObjects()[kind]) bed.store.load(kind, object);
  return bed;
}

const blockOf = async (bed: Testbed) => (await bed.store.get("IPAMBlock", "192-168-185-0-26"))!;

describe("objects", () => {
  test("through the Kubernetes client they come out as they went in, to the last digit", async () => {
    const store = createKubernetesStore({ client: new FakeCluster().client() });
    for (const object of incumbentObjects().IPAMBlock) await store.create("IPAMBlock", object);
    const { spec } = (await store.get("IPAMBlock", "192-168-185-0-26"))!;
    expect(spec).toMatchObject(incumbentObjects().IPAMBlock[0]!.spec);
    expect(spec.sequenceNumber).toBe(1_753_272_284_123_456_789n);
  });

  test("show, and check with everything that runs, find nothing wrong", async () => {
    const ipam = takenOver().boot();
    const running = { uid: "u", node: "worker-1", phase: "Running", deleting: false, namespace: "default" };
    const report = await ipam.check({
      pods: [
        { ...running, name: "web-7cf7d6dbc8-h9vpk", addresses: ["192.168.185.2"] },
        { ...running, name: "virt-launcher-cache-abcde", addresses: ["192.168.185.4"] },
      ],
      nodes: [{ name: "worker-1", labels: {}, tunnelAddresses: ["192.168.185.0", "192.168.185.1"] }],
      vms: [{ namespace: "default", name: "database", uid: "v", deleting: false }],
      vmis: [],
    });
    expect(renderCheck(report, { showAllIps: true })).toMatchInlineSnapshot(`
      "Checking IPAM for inconsistencies...

      Loading all IPAM blocks...
      Found 1 IPAM blocks.
       IPAM block 192.168.185.0/26 affinity=host:worker-1:
        192.168.185.0 allocated; attrs Main:vxlan-tunnel-addr-worker-1 Extra:node=worker-1,type=vxlanTunnelAddress
        192.168.185.1 allocated; attrs Main:vxlan-tunnel-addr-worker-1 Extra:node=worker-1,type=vxlanTunnelAddress
        192.168.185.2 allocated; attrs Main:k8s-pod-network.6bf5918459e920bb Extra:namespace=default,node=worker-1,pod=web-7cf7d6dbc8-h9vpk,timestamp=2025-09-26 17:11:53.923041651 +0000 UTC
        192.168.185.3 allocated; attrs Main:k8s-pod-network.vmi.default.database Extra:
        192.168.185.4 allocated; attrs Main:k8s-pod-network.vmi.default.cache Extra:namespace=default,node=worker-1,pod=virt-launcher-cache-abcde,timestamp=2025-09-26 17:12:00.1 +0000 UTC,vm-uid=v-cache,vmi-name=cache,vmi-uid=i-cache
      IPAM blocks record 5 allocations.

      Loading all IPAM pools...
        10.99.0.0/24
        192.168.0.0/16
      Found 2 active IP pools.

      Loading all nodes.
      Found 2 node tunnel IPs.

      Loading all workload endpoints.
        192.168.185.0 belongs to Node(worker-1)
        192.168.185.1 belongs to Node(worker-1)
        192.168.185.2 belongs to Workload(default/web-7cf7d6dbc8-h9vpk)
        192.168.185.4 belongs to Workload(default/virt-launcher-cache-abcde)
      Found 2 workload IPs.
      Workloads and nodes are using 4 IPs.

      Loading all handles
      Looking for top (up to 20) nodes by allocations...
        worker-1 has 5 allocations
      Node with most allocations has 5; median is 5

      Scanning for IPs that are allocated but not actually in use...
      Found 0 IPs that are allocated in IPAM but not actually in use.
      Scanning for IPs that are in use by a workload or node but not allocated in IPAM...
      Found 0 in-use IPs that are not in active IP pools.
      Found 0 in-use IPs that are in active IP pools but have no corresponding IPAM allocation.

      Scanning for IPAM handles with no matching IPs...
      Found 0 handles with no matching IPs (and 4 handles with matches).
      Scanning for IPs with missing handle...
      Found 0 handles mentioned in blocks with no matching handle resource.
      Scanning for handles, affinities and blocks that do not agree...
      Found 0 inconsistencies.
      Check complete; found 0 problems.
      "
    `);
    expect(renderShow(await ipam.overview(), { blocks: true })).toContain(
      "| Block    | 192.168.185.0/26 |        64 | 5 (8%)     | 59 (92%)     |",
    );
  });
});

describe("pods and VMs", () => {
  test("a new pod goes into the node's block, past what is reserved; everything else stays", async () => {
    const bed = takenOver();
    const before = await blockOf(bed);
    const given = await bed.boot().workloads.assign(bed.pod("worker-1", { network, families: [4] }));
    expect(texts(given)).toEqual(["192.168.185.8"]);
    const { metadata, spec } = await blockOf(bed);
    expect(metadata.annotations).toEqual(before.metadata.annotations);
    expect(spec).toMatchObject({ strictAffinity: false, sequenceNumber: 1_753_272_284_123_456_790n });
    expect(spec.sequenceNumberForAllocation?.["8"]).toBe(1_753_272_284_123_456_789n);
    for (const ordinal of [0, 1, 2, 3, 4])
      expect(spec.attributes[spec.allocations[ordinal]!]).toMatchObject({
        handle_id: before.spec.attributes[before.spec.allocations[ordinal]!]!.handle_id,
      });
  });

  test("a pod of the incumbent's is released with its handle object", async () => {
    const bed = takenOver();
    const leaving = { namespace: "default", name: "web-7cf7d6dbc8-h9vpk", uid: "whatever" };
    const request = { network, containerId: "6bf5918459e920bb", node: "worker-1", pod: leaving };
    expect((await bed.boot().workloads.release(request)).released).toEqual(["192.168.185.2"]);
    expect(await bed.store.get("IPAMHandle", "k8s-pod-network.6bf5918459e920bb")).toBeUndefined();
  });

  test("a VM that was switched off starts with its address, on another node", async () => {
    const bed = takenOver();
    const request = bed.pod("worker-2", { network, families: [4], vm: bed.vm("database").active });
    const given = await bed.boot().workloads.assign(request);
    expect([texts(given), given.reused]).toEqual([["192.168.185.3"], true]);
  });

  test("a migration the incumbent had begun is promoted, and its source leaves", async () => {
    const bed = takenOver();
    const ipam = bed.boot();
    const pod = { namespace: "default", name: "virt-launcher-cache-fghij", uid: "unknown-to-the-record" };
    await ipam.workloads.promote({ network, vm: { namespace: "default", name: "cache" }, pod });
    expect(await ipam.owners.get("192.168.185.4")).toMatchObject({
      active: { pod: pod.name, node: "worker-2" },
      alternate: { pod: "virt-launcher-cache-abcde" },
    });
    const source = bed.pod("worker-1", { network, vm: bed.vm("cache").active });
    const leaving = { ...del(source), pod: { namespace: "default", name: "virt-launcher-cache-abcde" } };
    expect((await ipam.workloads.release(leaving)).kept).toEqual(["192.168.185.4"]);
    expect((await ipam.owners.get("192.168.185.4")).alternate).toBeNull();
  });

  test("a pod that the records of the incumbent cannot show to be newer takes nothing", async () => {
    const bed = takenOver();
    const old = bed.pod("worker-1", {
      network,
      families: [4],
      vm: bed.vm("cache", { uid: "v-cache", vmiUid: "i-cache" }).active,
    });
    const late = { ...old, pod: { ...old.pod, creationTimestamp: "2025-01-01T00:00:00Z" } };
    await expect(bed.boot().workloads.assign(late)).rejects.toMatchObject({ code: "OwnerUndecided" });
  });
});

describe("what we write", () => {
  test("affinities carry the labels the incumbent lists by; old ones get them when their node starts", async () => {
    const bed = takenOver();
    const ipam = bed.boot();
    await ipam.workloads.assign(bed.pod("worker-1", { network, families: [4] }));
    await ipam.affinities.claim("worker-1", "10.99.0.64/26");
    const expected = {
      "projectcalico.org/hostname-hash": "CPU5J3TPSNHFA66J45DG4Z5C3PSJAZ36LD46JZLYEGZSTAWBUCUA",
      "projectcalico.org/affinity-type": "host",
      "projectcalico.org/ip-version": "4",
    };
    for (const { metadata, spec } of await bed.store.list("BlockAffinity")) {
      expect(metadata.labels).toEqual(expected);
      expect(spec).toMatchObject({ state: "confirmed", type: "host" });
    }
    expect(affinityLabels("worker-1", "fd00::/122")["projectcalico.org/ip-version"]).toBe("6");
  });

  test("the name of a long node's affinity keeps the block and ends in a hash of both", () => {
    const name = affinityName("n".repeat(253), "10.0.0.0/26");
    expect(name).toMatch(/^n{228}-10-0-0-0-26-[0-9a-f]{11}$/);
    expect(name).toHaveLength(252);
    expect(affinityName("worker-1", "fd00::40/122")).toBe("worker-1-fd00--40-122");
  });

  test("flags that the older API group wrote as texts are understood", async () => {
    const bed = takenOver();
    const [affinity] = incumbentObjects().BlockAffinity;
    const deleted: BlockAffinity = {
      metadata: { name: "worker-1-10-99-0-0-26" },
      spec: { ...affinity!.spec, cidr: "10.99.0.0/26", deleted: "true" },
    };
    bed.store.load("BlockAffinity", deleted);
    bed.store.load("BlockAffinity", { ...affinity!, spec: { ...affinity!.spec, deleted: "false" } });
    await bed.boot().workloads.assign(bed.pod("worker-1", { network, families: [4] }));
    const left = await bed.store.list("BlockAffinity");
    expect(left.map(({ metadata }) => metadata.name)).toEqual(["worker-1-192-168-185-0-26"]);
  });
});

describe("reports", () => {
  const context = {
    version: "v3.32.1",
    clusterGUID: "g",
    clusterInformationRevision: "7",
    clusterType: "k8s",
    datastoreLocked: true,
  };

  test("the incumbent's is read; an address that changed since is not released", async () => {
    const ipam = takenOver().boot();
    const released = await ipam.releaseFromReports(
      [parseLeakReport(incumbentReport, "report.json")],
      context,
    );
    // One wrong sequence number spoils the release of its whole block.
    expect(released.failures.map(({ error }) => error.code)).toContain("SequenceMismatch");
    const sound = incumbentReport.replace("456783", "456784");
    const again = await ipam.releaseFromReports([parseLeakReport(sound, "report.json")], context);
    expect(again.released).toEqual(["192.168.185.2", "192.168.185.3"]);
  });

  test("an address that a VM has taken up again since the report is not released, not even by force", async () => {
    const bed = new Testbed();
    const stopped = bed.pod("node-1", { vm: bed.vm("a").active });
    const addresses = texts(await bed.boot().workloads.assign(stopped));
    await bed.boot().workloads.release(del(stopped));
    const ipam = bed.boot();
    const report = writeLeakReport(await ipam.check({ pods: [], nodes: [], vms: [], vmis: [] }), context);
    expect(Object.values(report.allocations).flat()).toMatchObject([{ inUse: false }, { inUse: false }]);
    await bed.boot().workloads.assign(bed.pod("node-2", { vm: bed.vm("a").active }));
    const released = await ipam.releaseFromReports([report], context, { force: true });
    expect(released.released).toEqual([]);
    expect(released.failures.map(({ error }) => error.code)).toEqual(["OwnerConflict", "OwnerConflict"]);
    for (const address of addresses) expect((await ipam.show(address)).inUse).toBe(true);
  });

  test("ours has its fields", async () => {
    const bed = takenOver();
    const { metadata, spec } = incumbentObjects().IPAMHandle[1]!;
    bed.store.load("IPAMHandle", {
      metadata: { ...metadata, name: "lost" },
      spec: { ...spec, handleID: "lost" },
    });
    const ipam = bed.boot();
    const report = writeLeakReport(await ipam.check({ pods: [], nodes: [], vms: [], vmis: [] }), context);
    expect(report.allocations["192.168.185.2"]).toEqual([
      {
        ip: "192.168.185.2",
        handle: "k8s-pod-network.6bf5918459e920bb",
        sequenceNumber: 1_753_272_284_123_456_782n,
        pod: "web-7cf7d6dbc8-h9vpk",
        namespace: "default",
        node: "worker-1",
        creationTimestamp: "2025-09-26 17:11:53.923041651 +0000 UTC",
        inUse: false,
        owners: null,
        reason: "pod default/web-7cf7d6dbc8-h9vpk does not exist",
      },
    ]);
    expect(report.leakedHandles).toMatchObject([{ ID: "lost" }]);
    const released = await ipam.releaseFromReports([report], context);
    expect(released).toMatchObject({ deletedHandles: ["lost"], skippedHandles: [] });
    expect(await bed.store.get("IPAMHandle", "lost")).toBeUndefined();
  });
});
