/** Blocks that change hands behind a node's back, and calls that fail half-way: nobody loses what is his by now. */
import { describe, expect, test } from "vitest";
import { createFaultyStore } from "./faulty-store.ts";
import type { IpamKind } from "./resources.ts";
import { type IpamStore, StoreError } from "./store.ts";
import { del, Testbed, texts } from "./testbed.ts";
import { findViolations } from "./violations.ts";

const named = ["10.0.0.7", "fd00::7"];
const blocks = ["10.0.0.0/26", "fd00::/122"];

/** A node that remembers the blocks of the named addresses, which the controller has given back meanwhile. */
async function givenBack(bed: Testbed) {
  const store = createFaultyStore(bed.store);
  const ipam = bed.boot({ store, settingsMaxAgeMs: 60_000 });
  for (const cidr of blocks) expect(await ipam.affinities.claim("node-1", cidr)).toBe(true);
  const controller = bed.boot();
  for (const cidr of blocks) await controller.affinities.release("node-1", cidr, { mustBeEmpty: true });
  expect(await bed.store.list("IPAMBlock")).toEqual([]);
  return { ipam, store };
}

const affinities = async (bed: Testbed) =>
  (await bed.boot().affinities.list()).map(({ cidr, node, state }) => `${cidr} ${node} ${state}`).sort();
const ownedBy = (node: string) => blocks.map((cidr) => `${cidr} ${node} confirmed`).sort();

describe("a remembered block that was given back", () => {
  test.each(["pod", "VM"])("is claimed again for a named address of a %s", async (what) => {
    const bed = new Testbed();
    const { ipam, store } = await givenBack(bed);
    const before = store.calls.length;
    const vm = what === "VM" ? bed.vm("a").active : undefined;
    const given = await ipam.workloads.assign(bed.pod("node-1", { vm, addresses: named }));
    expect(texts(given)).toEqual(named);
    expect(store.calls.length - before).toBeLessThan(40);
    expect(await affinities(bed)).toEqual(ownedBy("node-1"));
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });

  test("is claimed again for a named address of a service", async () => {
    const bed = new Testbed();
    const { ipam } = await givenBack(bed);
    for (const address of named) await ipam.assign({ address, handle: "lb", node: "node-1" });
    expect(await affinities(bed)).toEqual(ownedBy("node-1"));
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });

  test("is claimed again for any address", async () => {
    const bed = new Testbed("10.0.0.0/26", "fd00::/122");
    const { ipam } = await givenBack(bed);
    expect((await ipam.workloads.assign(bed.pod("node-1"))).addresses).toHaveLength(2);
    expect(await affinities(bed)).toEqual(ownedBy("node-1"));
  });

  test("is claimed again when somebody asks for it", async () => {
    const bed = new Testbed();
    const { ipam } = await givenBack(bed);
    // The node finds out on the way to something else.
    await ipam.workloads.assign(bed.pod("node-1", { addresses: named }));
    await ipam.releaseByHandle("net1.container-1");
    for (const cidr of blocks) await bed.boot().affinities.release("node-1", cidr);
    await expect(ipam.show("10.0.0.7")).resolves.toMatchObject({ inUse: false });
    expect(await ipam.affinities.claim("node-1", "10.0.0.0/26")).toBe(true);
    expect(await affinities(bed)).toEqual(["10.0.0.0/26 node-1 confirmed"]);
  });

  test("and is another node's by now: the address is borrowed, and found by its handle", async () => {
    const bed = new Testbed();
    const { ipam } = await givenBack(bed);
    for (const cidr of blocks) await bed.boot().affinities.claim("node-2", cidr);
    const given = await ipam.workloads.assign(bed.pod("node-1", { addresses: named }));
    expect(texts(given)).toEqual(named);
    expect(await affinities(bed)).toEqual(ownedBy("node-2"));
    const object = await bed.store.get("IPAMHandle", given.handle);
    expect(object?.spec.block).toEqual({ "10.0.0.0/26": 1, "fd00::/122": 1 });
  });

  test("and is another node's by now, where affinity is strict: the address is refused", async () => {
    const bed = new Testbed();
    await bed.boot().configure({ strictAffinity: true });
    const { ipam } = await givenBack(bed);
    for (const cidr of blocks) await bed.boot().affinities.claim("node-2", cidr);
    const asked = ipam.workloads.assign(bed.pod("node-1", { addresses: named }));
    await expect(asked).rejects.toMatchObject({ code: "StrictAffinity" });
    expect((await bed.boot().overview()).pools.map(({ used }) => used)).toEqual([0, 0]);
  });
});

/** Something happens right before the first write of a kind that fits. */
function interrupted(
  bed: Testbed,
  fits: (kind: IpamKind, name: string) => boolean,
  happens: () => Promise<unknown>,
): IpamStore {
  let isDone = false;
  return {
    ...bed.store,
    async replace(kind, object) {
      if (!isDone && fits(kind, object.metadata.name)) {
        isDone = true;
        await happens();
      }
      return bed.store.replace(kind, object);
    },
  };
}

describe("what a failed call gives back", () => {
  const want = { handle: "lb", node: "node-1", count: { 4: 1, 6: 1 }, use: "Workload" } as const;

  /** The IPv6 block cannot be written; before that is known, something happens. */
  const refusing = (bed: Testbed, meanwhile: () => Promise<unknown> = async () => {}): IpamStore => ({
    ...bed.store,
    async replace(kind, object) {
      if (kind !== "IPAMBlock" || !object.metadata.name.startsWith("fd00"))
        return bed.store.replace(kind, object);
      while (!(await bed.boot().show("10.0.0.0")).inUse) await new Promise(setImmediate);
      await meanwhile();
      throw new StoreError("Refused", "a webhook says no");
    },
  });

  test("is what it took, with its count in the handle", async () => {
    const bed = new Testbed();
    await expect(bed.boot({ store: refusing(bed) }).allocate(want)).rejects.toMatchObject({
      code: "DatastoreRefused",
    });
    expect((await bed.boot().overview()).pools.map(({ used }) => used)).toEqual([0, 0]);
    expect(await bed.store.list("IPAMHandle")).toEqual([]);
  });

  test("is not what somebody has taken over since", async () => {
    const bed = new Testbed();
    const takeOver = () =>
      bed.boot().owners.set({ address: "10.0.0.0", handle: "lb", active: { pod: "heir", namespace: "n" } });
    await expect(bed.boot({ store: refusing(bed, takeOver) }).allocate(want)).rejects.toThrow();
    expect((await bed.boot().owners.get("10.0.0.0")).active).toMatchObject({ pod: "heir" });
    expect((await bed.store.get("IPAMHandle", "lb"))?.spec.block).toEqual({ "10.0.0.0/26": 1 });
  });

  test("is not what was given to somebody else since, even under the same handle", async () => {
    const bed = new Testbed();
    const renew = async () => {
      await bed.boot().release([{ address: "10.0.0.0" }]);
      await bed.boot().assign({ address: "10.0.0.0", handle: "lb", node: "node-1" });
    };
    await expect(bed.boot({ store: refusing(bed, renew) }).allocate(want)).rejects.toThrow();
    expect((await bed.boot().show("10.0.0.0")).inUse).toBe(true);
  });
});

describe("an affinity", () => {
  test("that a node wrote anew is not removed with the block it lost before", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/26" });
    await bed.boot().affinities.claim("node-1", "10.0.0.0/26");
    bed.wall += 120_000;
    // node-2 takes the old, empty block; before it removes node-1's affinity, node-1 has got the block back.
    let isBack = false;
    const store: IpamStore = {
      ...bed.store,
      async replace(kind, object) {
        const written = await bed.store.replace(kind, object);
        if (kind === "IPAMBlock" && !isBack) {
          isBack = true;
          await bed.boot().affinities.release("node-2", "10.0.0.0/26");
          expect(await bed.boot().affinities.claim("node-1", "10.0.0.0/26")).toBe(true);
        }
        return written;
      },
    };
    await bed.boot({ store }).affinities.claim("node-2", "10.0.0.0/26");
    expect(isBack).toBe(true);
    expect((await bed.store.list("BlockAffinity")).map(({ spec }) => spec.node)).toContain("node-1");
    expect((await bed.store.get("IPAMBlock", "10-0-0-0-26"))?.spec.affinity).toBe("host:node-1");
  });

  test("whose release was interrupted keeps a block that is in use by now", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/26" });
    await bed.boot().affinities.claim("node-1", "10.0.0.0/26");
    const store = createFaultyStore(bed.store, {
      fault: ({ verb, kind }) => (verb === "replace" && kind === "BlockAffinity" ? "crash after" : undefined),
    });
    const controller = bed.boot({ store });
    await expect(
      controller.affinities.release("node-1", "10.0.0.0/26", { mustBeEmpty: true }),
    ).rejects.toThrow("died");
    await bed.boot().assign({ address: "10.0.0.9", handle: "h", node: "node-2" });
    const restarted = bed.boot();
    expect(texts(await restarted.workloads.assign(bed.pod("node-1", { families: [4] })))).toEqual([
      "10.0.0.0",
    ]);
    expect(await affinities(bed)).toEqual(["10.0.0.0/26 node-1 confirmed"]);
  });

  test("that others changed while its block turned out to be in use is left as they wrote it", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/26" });
    await bed.boot().affinities.claim("node-1", "10.0.0.0/26");
    const store = interrupted(
      bed,
      (kind, name) => kind === "IPAMBlock" && name === "10-0-0-0-26",
      async () => {
        await bed.boot().assign({ address: "10.0.0.9", handle: "h", node: "node-2" });
        await bed.boot().affinities.release("node-1", "10.0.0.0/26");
      },
    );
    await bed.boot({ store }).affinities.release("node-1", "10.0.0.0/26", { mustBeEmpty: true });
    expect(await affinities(bed)).toEqual([]);
  });
});

describe.each(["10.0.0.0/26", "fd00::8900/122"])("a pod whose block %s was taken from its node", (cidr) => {
  test.each([true, false])("gives back what it has there, too (agent restarted: %s)", async (isRestarted) => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const pod = bed.pod("node-1");
    const { addresses } = await ipam.workloads.assign(pod);
    expect(await bed.boot().affinities.release("node-1", cidr)).toBe(true);
    await ipam.affinities.list();
    const next = isRestarted ? bed.boot() : ipam;
    expect([...(await next.workloads.release(del(pod))).released].sort()).toEqual(
      texts({ addresses }).sort(),
    );
  });
});
