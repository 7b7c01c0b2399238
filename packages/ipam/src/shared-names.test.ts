/** Names are joined, shortened and compared without case: two owners can come to one, and neither gets or loses what is the other's. */
import { describe, expect, test } from "vitest";
import { del, Testbed, texts } from "./testbed.ts";

const allInUse = async (bed: Testbed, addresses: readonly string[]) => {
  const shown = await Promise.all(addresses.map((address) => bed.boot().show(address)));
  return shown.every(({ inUse }) => inUse);
};

describe("two containers that spell one handle", () => {
  const spellings = [
    ["joined elsewhere", { network: "a.b", containerId: "c" }, { network: "a", containerId: "b.c" }],
    ["in another case", { network: "net", containerId: "abc" }, { network: "NET", containerId: "ABC" }],
  ] as const;

  test.each(spellings)(
    "%s: the second pod is refused, and its DEL frees nothing of the first",
    async (...names) => {
      const [, first, second] = names;
      const bed = new Testbed();
      const ipam = bed.boot();
      const has = texts(await ipam.workloads.assign(bed.pod("node-1", first)));
      const other = bed.pod("node-1", second);
      await expect(ipam.workloads.assign(other)).rejects.toMatchObject({ code: "HandleCollision" });
      for (const one of [ipam, bed.boot()])
        expect(await one.workloads.release(del(other))).toEqual({ released: [], kept: [] });
      expect(await allInUse(bed, has)).toBe(true);
    },
  );

  test.each(spellings)("%s: nor when the first has borrowed", async (...names) => {
    const [, first, second] = names;
    const bed = new Testbed({ cidr: "10.0.0.0/30", blockSize: 30 }, { cidr: "fd00::/126", blockSize: 126 });
    for (const cidr of ["10.0.0.0/30", "fd00::/126"]) await bed.boot().affinities.claim("node-2", cidr);
    const has = texts(await bed.boot().workloads.assign(bed.pod("node-1", first)));
    for (const node of ["node-1", "node-2"]) {
      const other = bed.pod(node, second);
      const ipam = bed.boot();
      await expect(ipam.workloads.assign(other)).rejects.toMatchObject({ code: "HandleCollision" });
      await ipam.workloads.release(del(other));
    }
    expect(await allInUse(bed, has)).toBe(true);
    expect(await bed.store.list("IPAMHandle")).toHaveLength(1);
  });
});

test("two sandboxes of one pod whose IDs differ in case have nothing of each other's", async () => {
  const bed = new Testbed();
  const ipam = bed.boot();
  const first = bed.pod("node-1", { containerId: "abc" });
  const has = texts(await ipam.workloads.assign(first));
  const second = { ...first, containerId: "ABC" };
  await expect(ipam.workloads.assign(second)).rejects.toMatchObject({ code: "HandleCollision" });
  for (const one of [ipam, bed.boot()])
    expect(await one.workloads.release(del(second))).toEqual({ released: [], kept: [] });
  expect(await allInUse(bed, has)).toBe(true);
});

test("a new VM inherits from a deleted one whose handle was written in another case", async () => {
  const bed = new Testbed();
  const old = bed.pod("node-1", { network: "Tenant", vm: bed.vm("a").active });
  const has = texts(await bed.boot({ facts: bed.facts }).workloads.assign(old));
  for (const block of await bed.store.list("IPAMBlock")) {
    const attributes = block.spec.attributes.map((one) => ({
      ...one,
      handle_id: one.handle_id!.toLowerCase(),
    }));
    await bed.store.replace("IPAMBlock", { ...block, spec: { ...block.spec, attributes } });
  }
  bed.pods.delete(`default/${old.pod.name}`);
  const { active } = bed.vm("a", { uid: "vm-new", vmiUid: "vmi-new" });
  const next = bed.pod("node-2", { network: "Tenant", vm: active });
  expect(texts(await bed.boot({ facts: bed.facts }).workloads.assign(next))).toEqual(has);
});

test("two nodes whose affinities spell one name have one each, found again and released each for itself", async () => {
  const [far, near] = ["1:2::/122", "2::/122"] as const;
  const bed = new Testbed({ cidr: far, blockSize: 122 }, { cidr: near, blockSize: 122 });
  await bed.boot().affinities.claim("a", far);
  await bed.boot().affinities.claim("a-1", near);
  const affinities = async () =>
    (await bed.store.list("BlockAffinity")).map(
      ({ spec: { node, cidr, state } }) => `${node} ${cidr} ${state}`,
    );
  expect(await affinities()).toEqual([`a ${far} confirmed`, `a-1 ${near} confirmed`]);
  expect((await bed.store.list("BlockAffinity")).map(({ metadata }) => metadata.name)).toEqual([
    "a-1-2---122",
    expect.stringMatching(/^a-1-2---122-[0-9a-f]{11}$/),
  ]);
  for (const [node, cidr] of [
    ["a", far],
    ["a-1", near],
  ] as const) {
    const pod = bed.pod(node, { families: [6], pools: { 6: [cidr] } });
    expect(texts(await bed.boot().workloads.assign(pod))).toEqual([cidr.replace("/122", "")]);
    await bed.boot().workloads.release(del(pod));
  }
  expect(await bed.boot().affinities.release("a-1", near)).toBe(true);
  expect(await affinities()).toEqual([`a ${far} confirmed`]);
});

describe("a part of a split pool", () => {
  const split = (bed: Testbed, name: string) =>
    bed.boot().pools.split({ number: 2, name, datastoreLocked: true });
  const load = (bed: Testbed, name: string, cidr: string) =>
    bed.store.load("IPPool", { metadata: { name }, spec: { cidr } });
  const cidrs = async (bed: Testbed) => (await bed.store.list("IPPool")).map(({ spec }) => spec.cidr).sort();

  test.each([
    ["10.1.0.0/24", "10.2.0.0/24", ["10.1.0.0/25", "10.1.0.128/25", "10.2.0.0/25", "10.2.0.128/25"]],
    ["fd01::/118", "fd02::/118", ["fd01::/119", "fd01::200/119", "fd02::/119", "fd02::200/119"]],
  ])("%s and %s, whose long names begin alike, have parts of their own", async (one, other, parts) => {
    const bed = new Testbed({ cidr: "10.0.0.0/24" });
    const begin = "p".repeat(246);
    load(bed, `${begin}a`, one);
    load(bed, `${begin}b`, other);
    await split(bed, `${begin}a`);
    await split(bed, `${begin}b`);
    expect(await cidrs(bed)).toEqual(["10.0.0.0/24", ...parts].sort());
  });

  test.each([
    ["10.1.0.0/24", "10.2.0.0/24"],
    ["fd01::/118", "fd02::/118"],
  ])("%s is not a pool that only has its name: nothing is split", async (cidr, other) => {
    const bed = new Testbed({ cidr: "10.0.0.0/24" });
    load(bed, "x", cidr);
    load(bed, "split-x-1", other);
    await expect(split(bed, "x")).rejects.toMatchObject({ code: "RequestInvalid" });
    expect(await cidrs(bed)).toEqual(["10.0.0.0/24", cidr, other].sort());
  });
});
