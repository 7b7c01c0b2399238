import { beforeEach, describe, expect, it } from "vitest";
import { createIpam, type Ipam } from "./ipam.ts";
import { createMemoryStore, type MemoryStore } from "./memory-store.ts";
import type { Family, IPPool } from "./resources.ts";

const vm = { name: "vm1", vmUid: "vm-uid", vmiUid: "vmi-uid" };
const launcher = (name: string, second: number) => ({
  namespace: "default",
  name: `virt-launcher-${name}`,
  uid: `uid-${name}`,
  creationTimestamp: `2026-01-01T00:00:0${second}Z`,
});

let store: MemoryStore;
let ipam: Ipam;
beforeEach(async () => {
  store = createMemoryStore();
  ipam = createIpam({ store, settingsMaxAgeMs: 0 });
  for (const [name, cidr] of [
    ["four", "10.0.0.0/24"],
    ["six", "fd00::/64"],
  ] as const)
    await store.create("IPPool", { metadata: { name }, spec: { cidr } } as IPPool);
});

const assign = async (
  name: string,
  second: number,
  role: "active" | "target",
  families: readonly Family[],
  familiesAreImplied: boolean,
) => {
  const { addresses } = await ipam.workloads.assign({
    network: "k8s-pod-network",
    containerId: `c-${name}`,
    node: "n1",
    pod: launcher(name, second),
    vm: { ...vm, role },
    families,
    familiesAreImplied,
  });
  return addresses.map(({ address }) => address);
};

describe("a VM that has addresses of both families", () => {
  it("keeps both when the pools of one are closed meanwhile and nobody asked for families", async () => {
    const both = await assign("a", 1, "active", [4, 6], true);
    expect(both).toHaveLength(2);
    expect(await assign("b", 2, "active", [4], true)).toEqual(both);
    expect(await assign("c", 3, "active", [6], true)).toEqual(both);
  });

  it("moves with both, whatever its target asks for", async () => {
    const both = await assign("a", 1, "active", [4, 6], true);
    expect(await assign("b", 2, "target", [4], true)).toEqual(both);
    expect(await assign("b", 2, "target", [6], false)).toEqual(both);
  });

  it("uses one when somebody asks for one", async () => {
    const [four] = await assign("a", 1, "active", [4, 6], true);
    expect(await assign("b", 2, "active", [4], false)).toEqual([four]);
  });
});

it("a VM gets an address of a family whose pool came later when it starts again, not when it moves", async () => {
  const [four] = await assign("a", 1, "active", [4], true);
  expect(await assign("b", 2, "target", [4, 6], true)).toEqual([four]);
  await ipam.workloads.release({
    network: "k8s-pod-network",
    containerId: "c-b",
    node: "n1",
    pod: launcher("b", 2),
    vm: { ...vm, deleting: false },
  });
  expect(await assign("c", 3, "active", [4, 6], true)).toEqual([four, expect.stringContaining("fd00")]);
});
