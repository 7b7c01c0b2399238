/** A write lands and its answer is lost: whoever repeats it finds what was done. Nothing is done twice and nothing is undone. */
import { describe, expect, test } from "vitest";
import { createFaultyStore, type StoreCallRecord, type StoreFault } from "./faulty-store.ts";
import type { IpamKind } from "./resources.ts";
import { type IpamStore, StoreError } from "./store.ts";
import { del, Testbed, texts } from "./testbed.ts";
import { findViolations } from "./violations.ts";

const losing = (bed: Testbed, what: (call: StoreCallRecord, nth: number) => boolean) => {
  let hits = 0;
  const fault = (call: StoreCallRecord): StoreFault | undefined =>
    what(call, hits) && ++hits > 0 ? "lose" : undefined;
  return createFaultyStore(bed.store, { fault });
};
const firstOf = (verb: string, kind: IpamKind) => (call: StoreCallRecord, nth: number) =>
  call.verb === verb && call.kind === kind && nth === 0;

/** Loses the answer to one write of a block, after which `meanwhile` happens before anybody can look. */
function losingBlockWrite(bed: Testbed, meanwhile: () => Promise<unknown>): IpamStore {
  let isLost = false;
  return {
    ...bed.store,
    async replace(kind, object) {
      const written = await bed.store.replace(kind, object);
      if (kind !== "IPAMBlock" || isLost) return written;
      isLost = true;
      await meanwhile();
      throw new StoreError("Unavailable", "the answer is lost");
    },
  };
}

const take = (handle: string, count = 2) =>
  ({ handle, node: "node-1", count: { 4: count, 6: count }, use: "Workload" }) as const;
const usage = async (bed: Testbed) => (await bed.boot().overview()).pools.map(({ used }) => used);

describe("a block", () => {
  test("gives as many addresses as were asked for", async () => {
    const bed = new Testbed();
    for (const nth of [0, 1]) {
      let seen = 0;
      const store = losing(
        bed,
        ({ verb, kind }) => verb === "replace" && kind === "IPAMBlock" && seen++ === nth,
      );
      const { addresses } = await bed.boot({ store }).allocate(take(`lb-${nth}`));
      expect(addresses).toHaveLength(4);
      expect(await bed.boot().addressesOf(`lb-${nth}`)).toEqual(addresses);
    }
    expect(await usage(bed)).toEqual([4, 4]);
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });

  test("is known again although others have written it since", async () => {
    const bed = new Testbed("10.0.0.0/24");
    const other = bed.boot();
    await other.allocate({ ...take("neighbour"), count: { 4: 1 } });
    const store = losingBlockWrite(bed, async () => {
      await other.allocate({ ...take("neighbour"), count: { 4: 3 } });
      await other.release([{ address: "10.0.0.0" }]);
    });
    const { addresses } = await bed.boot({ store }).allocate({ ...take("lb"), count: { 4: 2 } });
    expect(await bed.boot().addressesOf("lb")).toEqual(addresses);
    expect(await usage(bed)).toEqual([5]);
  });

  test("is not taken for written when somebody else wrote in its place", async () => {
    const bed = new Testbed("10.0.0.0/24");
    const other = bed.boot();
    await other.allocate({ ...take("neighbour"), count: { 4: 1 } });
    let isFirst = true;
    const store: IpamStore = {
      ...bed.store,
      async replace(kind, object) {
        if (kind !== "IPAMBlock" || !isFirst) return bed.store.replace(kind, object);
        isFirst = false;
        // The request never arrives. The other's write takes the same sequence number and the same ordinals.
        await other.allocate({ ...take("neighbour"), count: { 4: 2 } });
        throw new StoreError("Unavailable", "no answer");
      },
    };
    const { addresses } = await bed.boot({ store }).allocate({ ...take("lb"), count: { 4: 2 } });
    expect(addresses.map(({ address }) => address)).toEqual(["10.0.0.3", "10.0.0.4"]);
    expect(await usage(bed)).toEqual([5]);
  });

  test("with preconditions that its own write has made false says what it did", async () => {
    const bed = new Testbed();
    const [address = ""] = texts(await bed.boot().workloads.assign(bed.pod("node-1")));
    const handle = "net1.container-1";
    const store = losing(bed, firstOf("replace", "IPAMBlock"));
    const expected = { namespace: "default", name: "pod-1" };
    const ipam = bed.boot({ store });
    await ipam.owners.set({ address, handle, active: { pod: "next" }, expect: { active: expected } });
    expect((await bed.boot().owners.get(address)).active).toEqual({ pod: "next" });
  });

  test("that went with its last address reports the address as released", async () => {
    const bed = new Testbed("10.0.0.0/24");
    const ipam = bed.boot();
    await ipam.allocate({ ...take("lb"), count: { 4: 1 } });
    await ipam.affinities.release("node-1", "10.0.0.0/26");
    const store = losing(bed, firstOf("remove", "IPAMBlock"));
    expect(await bed.boot({ store }).release([{ address: "10.0.0.0" }])).toMatchObject({
      released: ["10.0.0.0"],
      failures: [],
    });
    expect(await bed.store.list("IPAMBlock")).toEqual([]);
  });

  test.each([
    ["with others' writes in between", true],
    ["with none in between", false],
  ])(
    "is looked at again by whoever comes next, when nobody could tell what became of it, %s",
    async (_, busy) => {
      const bed = new Testbed();
      let isDown = false;
      let lists = 0;
      const store: IpamStore = {
        ...losingBlockWrite(bed, async () => {
          isDown = true;
          if (busy) await bed.boot().workloads.assign(bed.pod("node-1"));
        }),
        list(kind) {
          lists++;
          return bed.store.list(kind);
        },
        async get(kind, name) {
          if (isDown) throw new StoreError("Unavailable", "the server is down");
          return bed.store.get(kind, name);
        },
      };
      const ipam = bed.boot({ store, settingsMaxAgeMs: 60_000 });
      const request = bed.pod("node-1", { families: [4] });
      await expect(ipam.workloads.assign(request)).rejects.toMatchObject({ code: "DatastoreUnavailable" });
      isDown = false;
      if (!busy) {
        // The node's memory of the block is too old to know the address; the block is looked at all the same.
        const before = lists;
        expect((await ipam.workloads.release(del(request))).released).toEqual(["10.0.0.0"]);
        expect(lists).toBe(before);
      }
      const again = await ipam.workloads.assign(request);
      expect(await bed.boot().addressesOf(again.handle)).toHaveLength(1);
      expect((await ipam.workloads.release(del(request))).released).toEqual(texts(again));
      expect(await usage(bed)).toEqual(busy ? [1, 1] : [0, 0]);
    },
  );

  test("is written over, so that a request on its way cannot land after it was found missing", async () => {
    const bed = new Testbed("10.0.0.0/24");
    const onItsWay: (() => Promise<unknown>)[] = [];
    let isSlow = false;
    const store: IpamStore = {
      ...bed.store,
      async replace(kind, object) {
        if (kind !== "IPAMBlock" || !isSlow) return bed.store.replace(kind, object);
        onItsWay.push(() => bed.store.replace(kind, object));
        throw new StoreError("Unavailable", "no answer in time");
      },
      async get(kind, name) {
        if (isSlow && onItsWay.length > 0) throw new StoreError("Unavailable", "no answer in time");
        return bed.store.get(kind, name);
      },
    };
    const ipam = bed.boot({ store });
    await ipam.workloads.assign(bed.pod("node-1", { families: [4] }));
    const request = bed.pod("node-1", { families: [4] });
    isSlow = true;
    await expect(ipam.workloads.assign(request)).rejects.toMatchObject({ code: "DatastoreUnavailable" });
    isSlow = false;
    await ipam.releaseByHandle("net1.container-2").catch(() => undefined);
    for (const land of onItsWay) await expect(land()).rejects.toMatchObject({ code: "Conflict" });
    expect(await usage(bed)).toEqual([1]);
  });
});

describe("a handle's object", () => {
  test.each(["create", "replace"] as const)("counts once what was counted once (%s)", async (verb) => {
    const bed = new Testbed("10.0.0.0/24");
    if (verb === "replace") await bed.boot().allocate({ ...take("lb"), count: { 4: 1 } });
    const store = losing(bed, firstOf(verb, "IPAMHandle"));
    await bed.boot({ store }).allocate({ ...take("lb"), count: { 4: 2 } });
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });

  test("is not taken for written when somebody else wrote the same in its place", async () => {
    const bed = new Testbed("10.0.0.0/24");
    await bed.boot().allocate({ ...take("lb"), count: { 4: 1 } });
    let isFirst = true;
    const store: IpamStore = {
      ...bed.store,
      async replace(kind, object) {
        if (kind !== "IPAMHandle" || !isFirst) return bed.store.replace(kind, object);
        isFirst = false;
        await bed.boot().allocate({ ...take("lb"), count: { 4: 1 } });
        throw new StoreError("Unavailable", "no answer");
      },
    };
    await bed.boot({ store }).allocate({ ...take("lb"), count: { 4: 1 } });
    expect((await bed.store.get("IPAMHandle", "lb"))?.spec.block).toEqual({ "10.0.0.0/26": 3 });
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });

  test("that was removed and made anew by others is not counted down a second time", async () => {
    const bed = new Testbed("10.0.0.0/24");
    await bed.boot().allocate({ ...take("lb"), count: { 4: 1 } });
    let isFirst = true;
    const store: IpamStore = {
      ...bed.store,
      async remove(kind, object) {
        await bed.store.remove(kind, object);
        if (kind !== "IPAMHandle" || !isFirst) return;
        isFirst = false;
        await bed.boot().allocate({ ...take("lb"), count: { 4: 1 } });
        throw new StoreError("Unavailable", "the answer is lost");
      },
    };
    await bed.boot({ store }).release([{ address: "10.0.0.0" }]);
    expect((await bed.store.get("IPAMHandle", "lb"))?.spec.block).toEqual({ "10.0.0.0/26": 1 });
  });

  test("keeps naming the block while nobody knows whether the block was written", async () => {
    const bed = new Testbed("10.0.0.0/24");
    await bed.boot().workloads.assign(bed.pod("node-1", { families: [4] }));
    let isDown = false;
    const store: IpamStore = {
      ...losingBlockWrite(bed, async () => {
        isDown = true;
      }),
      async get(kind, name) {
        if (isDown && kind === "IPAMBlock") throw new StoreError("Unavailable", "the server is down");
        return bed.store.get(kind, name);
      },
    };
    await expect(bed.boot({ store }).allocate({ ...take("lb"), count: { 4: 1 } })).rejects.toMatchObject({
      code: "DatastoreUnavailable",
    });
    expect((await bed.store.get("IPAMHandle", "lb"))?.spec.block).toEqual({ "10.0.0.0/26": 1 });
    expect(await bed.boot().releaseByHandle("lb")).toEqual(["10.0.0.1"]);
  });

  test("of one handle, asked for both families at once, is read and written once", async () => {
    const bed = new Testbed();
    await bed.boot().workloads.assign(bed.pod("node-1"));
    const store = createFaultyStore(bed.store);
    await bed.boot({ store }).allocate(take("lb"));
    const calls = store.calls.filter(({ kind }) => kind === "IPAMHandle").map(({ verb }) => verb);
    expect(calls).toEqual(["get", "create"]);
  });
});

describe("an affinity", () => {
  test.each([
    ["create", "BlockAffinity"],
    ["create", "IPAMBlock"],
    ["replace", "BlockAffinity"],
  ] as const)("whose claim lost the answer to %s %s is completed by the next claim", async (verb, kind) => {
    const bed = new Testbed("10.0.0.0/24");
    const ipam = bed.boot({ store: losing(bed, firstOf(verb, kind)) });
    const request = bed.pod("node-1", { families: [4] });
    const first = await ipam.workloads.assign(request).then(texts, (error) => error.code);
    expect([["10.0.0.0"], "DatastoreUnavailable"]).toContainEqual(first);
    expect(texts(await ipam.workloads.assign(request))).toEqual(["10.0.0.0"]);
    expect(await bed.store.list("IPAMBlock")).toHaveLength(1);
    expect((await bed.boot().affinities.list()).map(({ state }) => state)).toEqual(["confirmed"]);
    expect(await findViolations(bed.store, { settled: true })).toEqual([]);
  });
});
