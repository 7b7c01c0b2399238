import { describe, expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import type { Ipam } from "./ipam.ts";
import { blockName } from "./names.ts";
import type { IPAMBlock } from "./resources.ts";
import { Testbed } from "./testbed.ts";

const families = [
  { family: 4, cidr: "10.0.0.0/24", address: "10.0.0.9" },
  { family: 6, cidr: "fd00::/112", address: "fd00::9" },
] as const;

describe.each(families)("an IPv$family pool that is to be deleted", ({ family, cidr, address }) => {
  const name = blockName(cidr);
  const place = (ipam: Ipam, handle: string, node = "node-1") => ipam.assign({ address, handle, node });
  const state = async (bed: Testbed) => ({
    pool: (await bed.store.get("IPPool", name))?.spec.disabled ? "disabled" : "other",
    affinities: (await bed.store.list("BlockAffinity")).filter(({ spec }) => spec.cidr.startsWith(cidr[0]!))
      .length,
  });

  test("stays with its blocks while one address is in use, gives out no more, and goes with the last", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    await place(ipam, "a");
    await ipam.allocate({ handle: "b", node: "node-2", count: { [family]: 1 }, use: "Workload" });
    expect(await ipam.pools.delete(name)).toEqual({ deleted: false, inUse: 2 });
    expect(await state(bed)).toEqual({ pool: "disabled", affinities: 2 });
    await expect(
      ipam.allocate({ handle: "c", node: "node-1", count: { [family]: 1 }, use: "Workload" }),
    ).rejects.toMatchObject({ code: "NoPools" });
    await ipam.releaseByHandle("a");
    expect(await ipam.pools.delete(name)).toEqual({ deleted: false, inUse: 1 });
    await ipam.releaseByHandle("b");
    expect(await ipam.pools.delete(name)).toMatchObject({ deleted: true });
    expect(await bed.store.get("IPPool", name)).toBeUndefined();
    expect((await state(bed)).affinities).toBe(0);
  });

  test("stays when a node that heard late takes an address while its blocks are taken away", async () => {
    const bed = new Testbed();
    const pools = await bed.store.list("IPPool");
    const settings = { read: async () => ({ pools, reservations: [], configuration: undefined }) };
    const late = bed.boot({ settings });
    await place(late, "first");
    await late.releaseByHandle("first");
    let looks = 0;
    const store: typeof bed.store = {
      ...bed.store,
      async list(kind) {
        const found = await bed.store.list(kind);
        // After the first look, before the blocks are taken from their nodes.
        if (kind === "IPAMBlock" && ++looks === 1) await place(late, "late");
        return found;
      },
    };
    expect(await bed.boot({ store }).pools.delete(name)).toEqual({ deleted: false, inUse: 1 });
    expect(await state(bed)).toEqual({ pool: "disabled", affinities: 1 });
    expect((await late.show(address)).inUse).toBe(true);
  });

  test.each<[string, (bed: Testbed, ipam: Ipam) => Promise<unknown>]>([
    ["a pod", (bed, ipam) => ipam.workloads.assign(bed.pod("node-1", { families: [family] }))],
    [
      "a VM",
      (bed, ipam) => ipam.workloads.assign(bed.pod("node-1", { families: [family], vm: bed.vm("a").active })),
    ],
    ["a named address", (_, ipam) => place(ipam, "a")],
  ])("gives nothing to %s whose request was under way, at whatever call it is deleted", async (_, ask) => {
    let wasDeleted = true;
    for (let n = 1; wasDeleted; n++) {
      const bed = new Testbed();
      let calls = 0;
      wasDeleted = false;
      const gate = async () => {
        if (++calls === n) wasDeleted = (await bed.boot().pools.delete(name)).deleted;
      };
      const asking = bed.boot({ store: createFaultyStore(bed.store, { gate }) });
      const error: unknown = await ask(bed, asking).then(
        () => undefined,
        (error) => error,
      );
      const blocks = (await bed.store.list("IPAMBlock")).filter(({ spec }) => spec.cidr.startsWith(cidr[0]!));
      if (!wasDeleted) continue;
      expect({ n, blocks, ...(await state(bed)) }).toEqual({ n, blocks: [], pool: "other", affinities: 0 });
      expect(error).toMatchObject({
        code: expect.stringMatching(/^(NoPools|PoolNotFound|AddressNotInPool)$/),
      });
    }
  });

  test("stays when somebody enables it meanwhile", async () => {
    const bed = new Testbed();
    const { list } = bed.store;
    const store: typeof bed.store = {
      ...bed.store,
      async list(kind) {
        if (kind === "IPAMBlock") await bed.setPool(cidr, { disabled: false });
        return list(kind);
      },
    };
    await expect(bed.boot({ store }).pools.delete(name)).rejects.toMatchObject({ code: "TooManyConflicts" });
    expect(await bed.store.get("IPPool", name)).toMatchObject({ spec: { disabled: false } });
  });

  test.each<[string, (block: IPAMBlock) => unknown]>([
    ["whose allocations are no list", (block) => ({ ...block.spec, allocations: "none" })],
    ["that does not say where it lies", ({ spec: { cidr: _, ...rest } }) => rest],
    ["without a spec", () => undefined],
  ])("stays while there is a block %s", async (_, broken) => {
    const bed = new Testbed();
    const ipam = bed.boot();
    await place(ipam, "a");
    const [block] = await bed.store.list("IPAMBlock");
    bed.store.load("IPAMBlock", { ...block!, spec: broken(block!) as IPAMBlock["spec"] });
    expect(await ipam.pools.delete(name)).toEqual({ deleted: false, inUse: 1 });
  });
});
