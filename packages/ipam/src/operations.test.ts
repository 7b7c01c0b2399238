import { describe, expect, test } from "vitest";
import type { AllocateRequest } from "./allocate.ts";
import { Testbed } from "./testbed.ts";

const ask = (handle: string, more: Partial<AllocateRequest> = {}): AllocateRequest => ({
  handle,
  node: "node-1",
  count: { 4: 1 },
  use: "Workload",
  ...more,
});
const addressesOf = ({ addresses }: { addresses: readonly { address: string }[] }) =>
  addresses.map(({ address }) => address);

describe("a limit per handle", () => {
  test("1: a second request with the handle returns the same addresses", async () => {
    const ipam = new Testbed().boot();
    const request = ask("h", { count: { 4: 1, 6: 1 }, maxPerHandle: 1 });
    const first = await ipam.allocate(request);
    expect(await ipam.allocate(request)).toEqual(first);
    expect(first.addresses).toHaveLength(2);
  });

  test("2: two allocations, then re-use", async () => {
    const ipam = new Testbed().boot();
    const request = ask("h", { maxPerHandle: 2 });
    const [a, b, c] = [
      await ipam.allocate(request),
      await ipam.allocate(request),
      await ipam.allocate(request),
    ];
    expect(addressesOf(a)).not.toEqual(addressesOf(b));
    expect(addressesOf(c).sort()).toEqual([...addressesOf(a), ...addressesOf(b)].sort());
  });

  test("of a named address: the same again succeeds, another one is refused", async () => {
    const ipam = new Testbed().boot();
    const request = { address: "10.0.0.5", handle: "h", node: "node-1", maxPerHandle: 1 };
    const first = await ipam.assign(request);
    expect(await ipam.assign(request)).toEqual(first);
    await expect(ipam.assign({ ...request, address: "10.0.0.6" })).rejects.toMatchObject({
      code: "HandleLimit",
    });
    await expect(ipam.assign({ ...request, handle: "other" })).rejects.toMatchObject({
      code: "AddressInUse",
    });
  });
});

describe("release", () => {
  test("a stale sequence number or a foreign handle frees nothing in the block", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    const place = () => ipam.assign({ address: "10.0.0.5", handle: "h", node: "node-1" });
    await place();
    const sequence = (await bed.store.list("IPAMBlock"))[0]!.spec.sequenceNumberForAllocation!["5"]!;
    await ipam.release([{ address: "10.0.0.5", handle: "H", sequence }]);
    await place();
    const stale = await ipam.release([{ address: "10.0.0.5", handle: "h", sequence }]);
    expect(stale.failures.map(({ error }) => error.code)).toEqual(["SequenceMismatch"]);
    const foreign = await ipam.release([{ address: "10.0.0.5", handle: "x" }, { address: "10.0.0.6" }]);
    expect(foreign.failures.map(({ error }) => error.code)).toEqual(["HandleMismatch", "HandleMismatch"]);
    expect((await ipam.show("10.0.0.5")).inUse).toBe(true);
  });

  test("by handle, then again with the same handle", async () => {
    const ipam = new Testbed().boot();
    const first = await ipam.allocate(ask("h", { count: { 4: 3 } }));
    expect([...(await ipam.releaseByHandle("h"))].sort()).toEqual(addressesOf(first).sort());
    await expect(ipam.releaseByHandle("h")).rejects.toMatchObject({ code: "HandleNotFound" });
    expect((await ipam.allocate(ask("h"))).addresses).toHaveLength(1);
  });

  test("an empty block without affinity disappears, and can come back", async () => {
    const bed = new Testbed();
    const ipam = bed.boot();
    await ipam.allocate(ask("h"));
    await ipam.affinities.releaseHost("node-1");
    await ipam.releaseByHandle("h");
    expect(await bed.store.list("IPAMBlock")).toEqual([]);
    expect((await ipam.allocate(ask("h"))).addresses).toHaveLength(1);
  });

  test("a released address rests for the cool-down, then is the last to be used again", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/30", blockSize: 30 });
    const ipam = bed.boot();
    await ipam.configure({ ipCooldownSeconds: 60 });
    for (let i = 0; i < 4; i++) await ipam.allocate(ask(`h${i}`));
    await ipam.releaseByHandle("h1");
    expect((await ipam.allocate(ask("next"))).shortages).toHaveLength(1);
    expect((await ipam.release([{ address: "10.0.0.1" }])).unallocated).toEqual(["10.0.0.1"]);
    bed.wall += 61_000;
    expect(addressesOf(await ipam.allocate(ask("next")))).toEqual(["10.0.0.1"]);
  });
});

describe("memory", () => {
  test("a refusal is decided on the newest state, not on what is remembered", async () => {
    const bed = new Testbed();
    const [here, elsewhere] = [bed.boot(), bed.boot()];
    const place = (handle: string) => here.assign({ address: "10.0.0.5", handle, node: "node-1" });
    await place("a");
    await elsewhere.releaseByHandle("a");
    expect((await place("b")).address).toBe("10.0.0.5");
  });

  test("an address others gave back is found before the pool is called exhausted", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/30", blockSize: 30 });
    const [here, elsewhere] = [bed.boot(), bed.boot()];
    for (const handle of ["a", "b", "c", "d"]) await here.allocate(ask(handle));
    await elsewhere.releaseByHandle("c");
    expect((await here.allocate(ask("e"))).addresses).toHaveLength(1);
  });
});

describe("blocks and pools", () => {
  test("a node takes from its own block, claims one more, then borrows", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/29", blockSize: 30 });
    const ipam = bed.boot();
    await ipam.allocate(ask("first", { node: "node-2" }));
    const { addresses } = await ipam.allocate(ask("second", { count: { 4: 7 } }));
    expect(addresses).toHaveLength(7);
    const owner = (await ipam.affinities.list()).map(({ node }) => node).sort();
    expect(owner).toEqual(["node-1", "node-2"]);
  });

  test("strict affinity does not borrow, and says what to change", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/29", blockSize: 30 });
    const ipam = bed.boot();
    await ipam.configure({ strictAffinity: true, maxBlocksPerHost: 1 });
    await ipam.allocate(ask("first", { node: "node-2" }));
    const { addresses, shortages } = await ipam.allocate(ask("second", { count: { 4: 7 } }));
    expect(addresses).toHaveLength(4);
    expect(shortages.map(({ code }) => code)).toEqual(["BlockLimit"]);
  });

  test("an empty block of another node is taken over once its claim is a minute old", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/30", blockSize: 30 });
    const ipam = bed.boot();
    await ipam.configure({ strictAffinity: true });
    await ipam.affinities.claim("node-2", "10.0.0.0/30");
    expect((await ipam.allocate(ask("h"))).shortages).toHaveLength(1);
    bed.wall += 61_000;
    expect((await ipam.allocate(ask("h"))).addresses).toHaveLength(1);
    expect((await ipam.affinities.list()).map(({ node }) => node)).toEqual(["node-1"]);
  });

  test("reserved addresses are passed over, but not for an explicit request", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/29", blockSize: 30 });
    bed.store.load("IPReservation", {
      metadata: { name: "r" },
      spec: { reservedCIDRs: ["10.0.0.0/30", "10.0.0.5", "nonsense"] },
    });
    const ipam = bed.boot();
    const { addresses } = await ipam.allocate(ask("h", { count: { 4: 8 } }));
    expect(addressesOf({ addresses }).sort()).toEqual(["10.0.0.4", "10.0.0.6", "10.0.0.7"]);
    expect((await ipam.assign({ address: "10.0.0.5", handle: "x", node: "node-1" })).address).toBe(
      "10.0.0.5",
    );
    expect((await ipam.overview()).problems.join()).toContain('reservedCIDRs[2]: "nonsense"');
  });

  test("node and namespace selectors, uses and manual mode decide, unless a pool is named", async () => {
    const bed = new Testbed(
      { cidr: "10.0.0.0/24", nodeSelector: 'rack == "1"' },
      { cidr: "10.1.0.0/24", namespaceSelector: 'team == "a"', nodeSelector: "has(x)" },
      { cidr: "10.2.0.0/24", assignmentMode: "Manual" },
      { cidr: "10.3.0.0/24", allowedUses: ["LoadBalancer"] },
    );
    const ipam = bed.boot();
    const from = async (more: Partial<AllocateRequest>) =>
      (await ipam.allocate(ask(`h${Math.random()}`, more))).addresses[0]?.address
        .split(".")
        .slice(0, 2)
        .join(".");
    expect(await from({ nodeLabels: { rack: "1" } })).toBe("10.0");
    expect(await from({ nodeLabels: { x: "" }, namespaceLabels: { team: "a" } })).toBe("10.1");
    expect(await from({ pools: { 4: ["10-2-0-0-24"] } })).toBe("10.2");
    await expect(from({ use: "Tunnel", nodeLabels: { rack: "2" } })).rejects.toMatchObject({
      code: "NoQualifiedPool",
    });
    await expect(from({ pools: { 4: ["10-3-0-0-24"] } })).rejects.toThrow(
      "no pools match the required use (Workload)",
    );
    await expect(from({ pools: { 4: ["fd00::/64"] } })).rejects.toMatchObject({
      code: "PoolNotFound",
      field: "pools[4]",
    });
    await expect(from({ count: { 6: 1 } })).rejects.toMatchObject({ code: "NoPools" });
  });

  test.each(["by handle", "by address"])(
    "a block leaves a node its pool no longer selects, emptied %s",
    async (how) => {
      const bed = new Testbed({ cidr: "10.0.0.0/24", nodeSelector: 'rack == "1"' });
      const ipam = bed.boot();
      const release = async (handle: string) => {
        if (how === "by handle") return ipam.releaseByHandle(handle);
        return ipam.release(await ipam.addressesOf(handle));
      };
      await ipam.allocate(ask("a", { nodeLabels: { rack: "1" } }));
      await ipam.allocate(ask("b", { nodeLabels: { rack: "1" } }));
      await bed.setPool("10.0.0.0/24", { nodeSelector: 'rack == "2"' });
      await release("a");
      expect(await ipam.affinities.list()).toHaveLength(1);
      await release("b");
      expect(await ipam.affinities.list()).toEqual([]);
    },
  );

  test("a long node name is no obstacle", async () => {
    const bed = new Testbed();
    const node = `${"n".repeat(249)}.com`;
    const ipam = bed.boot();
    expect((await ipam.allocate(ask("h", { node }))).addresses).toHaveLength(1);
    for (const { metadata } of await bed.store.list("BlockAffinity"))
      expect(metadata.name.length).toBeLessThan(254);
  });

  test("a pool that overlaps, shrinks or changes its blocks is refused", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/24", blockSize: 28 });
    const ipam = bed.boot();
    await ipam.allocate(ask("h"));
    const fits = (name: string, cidr: string, blockSize: number) =>
      ipam.pools.checkFits({ metadata: { name }, spec: { cidr, blockSize } });
    await expect(fits("new", "10.0.0.128/25", 28)).rejects.toMatchObject({
      code: "PoolInvalid",
      field: "spec.cidr",
    });
    await expect(fits("10-0-0-0-24", "10.0.0.0/24", 27)).rejects.toMatchObject({ field: "spec.blockSize" });
    await bed.store.remove("IPPool", (await bed.store.get("IPPool", "10-0-0-0-24"))!);
    await expect(fits("new", "10.0.0.0/24", 26)).rejects.toThrow(
      "blocksSize conflicts with existing allocations",
    );
    await fits("new", "10.0.0.0/24", 28);
  });

  test("a pool is split into equal parts while the datastore is locked", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/24", natOutgoing: true });
    const ipam = bed.boot();
    const request = { number: 4, cidr: "10.0.0.0/24", datastoreLocked: true };
    await expect(ipam.pools.split({ ...request, datastoreLocked: false })).rejects.toMatchObject({
      code: "DatastoreNotLocked",
    });
    await expect(ipam.pools.split({ ...request, number: 3 })).rejects.toMatchObject({ field: "NUMBER" });
    await expect(ipam.pools.split({ ...request, number: 8 })).rejects.toThrow("smaller than its blocks");
    const parts = await ipam.pools.split(request);
    expect(parts.map(({ spec }) => [spec.cidr, spec.natOutgoing])).toEqual(
      ["10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26", "10.0.0.192/26"].map((cidr) => [cidr, true]),
    );
    expect((await bed.store.list("IPPool")).length).toBe(4);
  });
});
