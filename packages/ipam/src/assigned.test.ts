import { describe, expect, it } from "vitest";
import { assignedAddresses } from "./assigned.ts";
import { createIpam } from "./ipam.ts";
import { createMemoryStore } from "./memory-store.ts";
import type { IPAMBlock, IPPool } from "./resources.ts";

const web = { namespace: "default", name: "web", uid: "uid-web", creationTimestamp: "2026-01-01T00:00:00Z" };
const launcher = { ...web, name: "virt-launcher-vm1-a", uid: "uid-a" };
const vm = { name: "vm1", vmUid: "vm-uid", vmiUid: "vmi-uid" };

describe("what blocks record", () => {
  it("is the sandbox of a pod, and of a VM's pod, with both families", async () => {
    const store = createMemoryStore();
    for (const [name, cidr] of [
      ["four", "10.0.0.0/24"],
      ["six", "fd00::/64"],
    ] as const)
      await store.create("IPPool", { metadata: { name }, spec: { cidr } } as IPPool);
    const { workloads } = createIpam({ store });
    const request = { network: "k8s-pod-network", node: "n1", families: [4, 6] as const };
    const one = await workloads.assign({ ...request, containerId: "c1", pod: web });
    const machineRequest = {
      ...request,
      containerId: "c2",
      pod: launcher,
      vm: { ...vm, role: "active" as const },
    };
    const other = await workloads.assign(machineRequest);
    const found = assignedAddresses(await store.list("IPAMBlock"));
    const { creationTimestamp: _, ...pod } = web;
    const { creationTimestamp: __, ...owner } = launcher;
    const ordinary = { handle: "k8s-pod-network.c1", network: "k8s-pod-network", containerId: "c1", pod };
    const machine = {
      handle: "k8s-pod-network.vmi.default.vm1",
      network: "k8s-pod-network",
      containerId: "c2",
      pod: owner,
      vm,
    };
    expect(found.filter(({ containerId }) => containerId === "c1")).toEqual(
      one.addresses.map(({ address }) => ({ ...ordinary, address, side: "active" })),
    );
    expect(found.filter(({ containerId }) => containerId === "c2")).toEqual(
      other.addresses.map(({ address }) => ({ ...machine, address, side: "active" })),
    );
  });

  it.each([
    [
      "the incumbent's, of a pod",
      "net.work.c1",
      { pod: "web", namespace: "default", node: "n1" },
      { network: "net.work", containerId: "c1" },
    ],
    [
      "the incumbent's, of a VM: its sandbox is not said",
      "net.vmi.default.vm1",
      { pod: "web", namespace: "default", "vmi-name": "vm1" },
      { network: "net" },
    ],
    ["one by the pod's name", "default.web", { pod: "web", namespace: "default" }, {}],
  ])("may be %s", (_what, handle, secondary, expected) => {
    const block = {
      metadata: { name: "10-0-0-0-30" },
      spec: {
        cidr: "10.0.0.0/30",
        affinity: "host:n1",
        strictAffinity: false,
        allocations: [0, null, null, null],
        unallocated: [1, 2, 3],
        attributes: [{ handle_id: handle, secondary }],
      },
    } as unknown as IPAMBlock;
    const pod = { namespace: "default", name: "web", uid: undefined };
    expect(assignedAddresses([block])).toEqual([
      { address: "10.0.0.0", handle, pod, side: "active", ...expected },
    ]);
  });

  it("is nothing in a block that makes no sense, or for an address without an owner", () => {
    const block = (spec: object) => ({ metadata: { name: "x" }, spec }) as unknown as IPAMBlock;
    const tunnel = {
      handle_id: "vxlan-tunnel-addr-n1",
      secondary: { type: "vxlanTunnelAddress", node: "n1" },
    };
    const blocks = [
      block({ cidr: "nonsense" }),
      block({
        cidr: "10.0.0.0/30",
        allocations: [0, 0, null, null],
        unallocated: [2, 3],
        attributes: [tunnel],
      }),
    ];
    expect(assignedAddresses(blocks)).toEqual([]);
  });
});
