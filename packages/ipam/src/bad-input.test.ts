/** Whatever is wrong, the error says what kind of mistake, in which object, in which field; and nothing corrupt is ever rewritten. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeBlock } from "./block-decode.ts";
import { emptyBlock } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import { isIpamError } from "./errors.ts";
import { decodePool } from "./pool.ts";
import type { IPAMBlock, IPAMConfiguration, IPAMHandle, IPPool } from "./resources.ts";
import { Testbed } from "./testbed.ts";

/** Objects as other programs may have written them: of no type at all. */
const untyped = <T>(value: object): T => value as T;
const nobody = { pods: [], nodes: [], vms: [], vmis: [] };
const handles = (text: string) => ({ address: text, handle: "h", node: "node-1" });

describe("pools", () => {
  test.each([
    ["nothing at all", {}, "spec.cidr"],
    ["not a CIDR", { cidr: "banana" }, "spec.cidr"],
    ["a number for a CIDR", { cidr: 10 }, "spec.cidr"],
    ["host bits", { cidr: "10.0.0.1/24" }, "spec.cidr"],
    ["a block larger than the pool", { cidr: "10.0.0.0/28", blockSize: 26 }, "spec.blockSize"],
    ["a block size of the other family", { cidr: "fd00::/64", blockSize: 26 }, "spec.blockSize"],
    ["a block size below the least", { cidr: "10.0.0.0/8", blockSize: 19 }, "spec.blockSize"],
    ["half a block size", { cidr: "10.0.0.0/8", blockSize: 26.5 }, "spec.blockSize"],
    ["IPIP over IPv6", { cidr: "fd00::/64", ipipMode: "Always" }, "spec.ipipMode"],
    ["an unknown encapsulation", { cidr: "10.0.0.0/24", vxlanMode: "Sometimes" }, "spec.vxlanMode"],
    [
      "two encapsulations",
      { cidr: "10.0.0.0/24", ipipMode: "Always", vxlanMode: "Always" },
      "spec.vxlanMode",
    ],
    ["an unknown use", { cidr: "10.0.0.0/24", allowedUses: ["Workload", "Pod"] }, "spec.allowedUses[1]"],
    [
      "a load balancer over VXLAN",
      { cidr: "10.0.0.0/24", allowedUses: ["LoadBalancer"], vxlanMode: "Always" },
      "spec.allowedUses",
    ],
    ["an unknown mode", { cidr: "10.0.0.0/24", assignmentMode: "Random" }, "spec.assignmentMode"],
    ["a node selector with a typo", { cidr: "10.0.0.0/24", nodeSelector: "rack = '1'" }, "spec.nodeSelector"],
    ["half a selector", { cidr: "10.0.0.0/24", namespaceSelector: "has(" }, "spec.namespaceSelector"],
  ])("with %s is refused; beside it the others work", async (_, spec, field) => {
    const bed = new Testbed("10.9.0.0/24");
    const pool = untyped<IPPool>({ metadata: { name: "bad" }, spec });
    const wrong = { code: "PoolInvalid", object: "IPPool bad", field };
    await expect(bed.boot().pools.checkFits(pool)).rejects.toMatchObject(wrong);
    bed.store.load("IPPool", pool);
    const ipam = bed.boot();
    await ipam.workloads.assign(bed.pod("node-1", { families: [4] }));
    expect((await ipam.overview()).problems.join()).toContain(`IPPool bad ${field}: `);
  });
});

describe("blocks", () => {
  const geometry = blockGeometry("10.0.0.0/30")!;
  const sound = {
    ...emptyBlock(geometry, "host:node-1", new Date(0)),
    allocations: [0, null, null, null],
    unallocated: [1, 2, 3],
    attributes: [{ handle_id: "h", secondary: { pod: "p" } }],
  };
  const attribute = (change: object) => ({ attributes: [{ ...sound.attributes[0], ...change }] });
  const corruptions = [
    [{ cidr: "banana" }, "cidr"],
    [{ cidr: "10.0.0.4/30" }, "cidr"],
    [{ cidr: 7 }, "cidr"],
    [{ affinity: 5 }, "affinity"],
    [{ affinityClaimTime: {} }, "affinityClaimTime"],
    [{ sequenceNumber: -1 }, "sequenceNumber"],
    [{ sequenceNumber: "1" }, "sequenceNumber"],
    [{ attributes: null }, "attributes"],
    [{ attributes: ["h"] }, "attributes[0]"],
    [attribute({ handle_id: 4 }), "attributes[0].handle_id"],
    [attribute({ secondary: { pod: 1 } }), "attributes[0].secondary"],
    [attribute({ alternateOwnerAttrs: [] }), "attributes[0].alternateOwnerAttrs"],
    [attribute({ releasedAt: 0 }), "attributes[0].releasedAt"],
    [{ allocations: [0] }, "allocations"],
    [{ allocations: [0, null, null, 7] }, "allocations[3]"],
    [{ allocations: [0, null, "1", null] }, "allocations[2]"],
    [{ unallocated: {} }, "unallocated"],
    [{ unallocated: [1, 2, 4] }, "unallocated[2]"],
    [{ unallocated: [1, 2, 2] }, "unallocated[2]"],
    [{ unallocated: [0, 1, 2, 3] }, "unallocated[0]"],
    [{ sequenceNumberForAllocation: [] }, "sequenceNumberForAllocation"],
    [{ sequenceNumberForAllocation: { 9: 1 } }, "sequenceNumberForAllocation.9"],
    [{ sequenceNumberForAllocation: { 0: 1.5 } }, "sequenceNumberForAllocation.0"],
  ] as const;

  test.each(corruptions)("with %j: set aside, reported, never rewritten", async (change, field) => {
    const bed = new Testbed({ cidr: "10.0.0.0/29", blockSize: 30 });
    const name = "10-0-0-0-30";
    bed.store.load("IPAMBlock", untyped<IPAMBlock>({ metadata: { name }, spec: { ...sound, ...change } }));
    bed.store.load("BlockAffinity", {
      metadata: { name: `node-1-${name}` },
      spec: { cidr: "10.0.0.0/30", node: "node-1", state: "confirmed" },
    });
    const before = await bed.store.get("IPAMBlock", name);
    const ipam = bed.boot();
    const wrong = { code: "ObjectCorrupt", object: `IPAMBlock ${name}`, field: `spec.${field}` };
    await expect(ipam.assign(handles("10.0.0.1"))).rejects.toMatchObject(wrong);
    await expect(ipam.show("10.0.0.1")).rejects.toMatchObject(wrong);
    // The rest of the pool serves everybody, and nothing of the block is given out.
    const { addresses } = await ipam.allocate({
      handle: "a",
      node: "node-1",
      count: { 4: 8 },
      use: "Workload",
    });
    expect(addresses.map(({ address }) => address)).toEqual(["10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"]);
    await ipam.releaseByHandle("a");
    expect((await ipam.check(nobody)).inconsistencies.join()).toContain(`IPAMBlock ${name} is corrupt`);
    const collector = ipam.collector({ facts: bed.facts, monotonic: () => Date.now() * 1e6 });
    for (let i = 0; i < 3; i++) await collector.scan();
    expect(await bed.store.get("IPAMBlock", name)).toBe(before);
  });

  test("of any JSON whatever: either it is sound, or the error names object and field", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.record({ cidr: fc.constant("10.0.0.0/30"), allocations: fc.jsonValue() }),
        ),
        fc.dictionary(fc.constantFrom(...Object.keys(sound)), fc.jsonValue()),
        (whole, parts) => {
          for (const spec of [whole, { ...sound, ...parts }])
            try {
              decodeBlock(untyped<IPAMBlock>({ metadata: { name: "10-0-0-0-30" }, spec }));
            } catch (error) {
              if (!isIpamError(error, "ObjectCorrupt")) throw error;
              expect([error.object, error.field?.slice(0, 4)]).toEqual(["IPAMBlock 10-0-0-0-30", "spec"]);
            }
        },
      ),
    );
  });
});

test("pools of any JSON whatever: either sound, or the error names object and field", () => {
  const fields = [
    "cidr",
    "blockSize",
    "ipipMode",
    "vxlanMode",
    "nodeSelector",
    "allowedUses",
    "assignmentMode",
  ];
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...fields), fc.jsonValue()), fc.boolean(), (spec, hasCidr) => {
      const object = {
        metadata: { name: "p" },
        spec: { ...spec, ...(hasCidr ? { cidr: "10.0.0.0/24" } : {}) },
      };
      try {
        decodePool(untyped<IPPool>(object));
      } catch (error) {
        if (!isIpamError(error, "PoolInvalid")) throw error;
        expect([error.object, error.field?.slice(0, 5)]).toEqual(["IPPool p", "spec."]);
      }
    }),
  );
});

describe("handles", () => {
  test.each([
    [{ handleID: "another", block: {} }, "handleID"],
    [{ block: {} }, "handleID"],
    [{ handleID: 5, block: {} }, "handleID"],
    [{ handleID: "h", block: null }, "block"],
    [{ handleID: "h", block: ["10.0.0.0/26"] }, "block"],
    [{ handleID: "h", block: { "10.0.0.0/26": "1" } }, 'block["10.0.0.0/26"]'],
  ])("an object with %j is reported and not used", async (spec, field) => {
    const bed = new Testbed();
    bed.store.load("IPAMHandle", untyped<IPAMHandle>({ metadata: { name: "h" }, spec }));
    const before = await bed.store.get("IPAMHandle", "h");
    const ipam = bed.boot();
    const wrong = { code: "ObjectCorrupt", object: "IPAMHandle h", field: `spec.${field}` };
    await expect(ipam.addressesOf("h")).rejects.toMatchObject(wrong);
    await expect(ipam.assign(handles("10.0.0.1"))).rejects.toMatchObject(wrong);
    expect((await ipam.check(nobody)).inconsistencies.join()).toContain(`IPAMHandle h spec.${field}`);
    expect(await bed.store.get("IPAMHandle", "h")).toBe(before);
    expect((await ipam.show("10.0.0.1")).inUse).toBe(false);
  });

  test("of somebody else frees and changes nothing", async () => {
    const ipam = new Testbed().boot();
    await ipam.assign(handles("10.0.0.5"));
    const { failures } = await ipam.release([{ address: "10.0.0.5", handle: "x" }]);
    expect(failures[0]!.error).toMatchObject({
      code: "HandleMismatch",
      object: "IPAMBlock 10-0-0-0-26",
      field: "spec.allocations[5]",
    });
    await expect(ipam.owners.set({ address: "10.0.0.5", handle: "x", active: null })).rejects.toMatchObject({
      code: "HandleMismatch",
      object: "IPAMBlock 10-0-0-0-26",
      field: "spec.allocations[5]",
    });
    expect((await ipam.show("10.0.0.5")).handle).toBe("h");
  });
});

describe("affinities, reservations and settings", () => {
  test("an affinity to nothing is reported and left", async () => {
    const bed = new Testbed();
    for (const [name, cidr] of [
      ["a", "banana"],
      ["b", "10.0.0.0/99"],
    ] as const)
      bed.store.load("BlockAffinity", {
        metadata: { name },
        spec: { cidr, node: "node-1", state: "pending" },
      });
    const ipam = bed.boot();
    await ipam.workloads.assign(bed.pod("node-1"));
    expect((await ipam.check(nobody)).inconsistencies).toContain(
      'BlockAffinity a spec.cidr: "banana" is not the CIDR of a block',
    );
    let now = 0;
    const collector = ipam.collector({ facts: bed.facts, monotonic: () => (now += 3_600_000) });
    for (let i = 0; i < 3; i++) await collector.scan();
    const names = (await bed.store.list("BlockAffinity")).map(({ metadata }) => metadata.name);
    expect(names).toEqual(expect.arrayContaining(["a", "b"]));
  });

  test("a reservation that is no list reserves nothing and is reported", async () => {
    const bed = new Testbed();
    bed.store.load(
      "IPReservation",
      untyped({ metadata: { name: "r" }, spec: { reservedCIDRs: "10.0.0.0/8" } }),
    );
    const ipam = bed.boot();
    await ipam.workloads.assign(bed.pod("node-1"));
    expect((await ipam.overview()).problems).toEqual(["IPReservation r spec.reservedCIDRs is not a list"]);
  });

  test.each([
    [{ strictAffinity: "yes" }, "spec.strictAffinity"],
    [{ autoAllocateBlocks: 1 }, "spec.autoAllocateBlocks"],
    [{ maxBlocksPerHost: -1 }, "spec.maxBlocksPerHost"],
    [{ kubeVirtVMAddressPersistence: "On" }, "spec.kubeVirtVMAddressPersistence"],
    [{ ipCooldownSeconds: 1201 }, "spec.ipCooldownSeconds"],
  ])("a configuration with %j stops allocation and says why", async (spec, field) => {
    const bed = new Testbed();
    bed.store.load("IPAMConfiguration", untyped<IPAMConfiguration>({ metadata: { name: "default" }, spec }));
    await expect(bed.boot().workloads.assign(bed.pod("node-1"))).rejects.toMatchObject({
      code: "ConfigurationInvalid",
      object: "IPAMConfiguration default",
      field,
    });
  });
});

describe("requests", () => {
  test.each([
    ["outside every pool", "192.0.2.1", "AddressNotInPool", "address 192.0.2.1", "addresses"],
    ["of no form", "10.0.0", "AddressInvalid", "address 10.0.0", "addresses"],
    ["with a prefix", "10.0.0.1/32", "AddressInvalid", "address 10.0.0.1/32", "addresses"],
  ])("an address %s", async (_, address, code, object, field) =>
    expect(new Testbed().boot().assign(handles(address))).rejects.toMatchObject({ code, object, field }),
  );

  test("an address of a pool for other uses", async () => {
    const bed = new Testbed({ cidr: "10.0.0.0/24", allowedUses: ["Tunnel"] });
    const pod = bed.pod("node-1", { addresses: ["10.0.0.1"] });
    await expect(bed.boot().workloads.assign(pod)).rejects.toMatchObject({
      code: "AddressNotInPool",
      object: "IPPool 10-0-0-0-24",
      field: "spec.allowedUses",
    });
  });

  test.each([
    [
      "two addresses of one family",
      { addresses: ["10.0.0.1", "10.0.0.2"] },
      "AddressInvalid",
      "addresses[1]",
    ],
    ["an address of no form", { addresses: ["fd00::1", "x"] }, "AddressInvalid", "addresses[1]"],
    ["no family", { families: [] }, "RequestInvalid", "families"],
    ["no container", { containerId: "" }, "RequestInvalid", "containerId"],
    [
      "no time",
      { pod: { namespace: "default", name: "pod-1", uid: "u", creationTimestamp: "yesterday" } },
      "RequestInvalid",
      "pod.creationTimestamp",
    ],
  ] as const)("a pod with %s", async (_, change, code, field) => {
    const bed = new Testbed();
    await expect(bed.boot().workloads.assign(bed.pod("node-1", change))).rejects.toMatchObject({
      code,
      object: "pod default/pod-1",
      field,
    });
  });

  test.each([
    ["an IPv6 pool in the IPv4 list", { 4: ["fd00::/112"] }, "IPPool fd00::/112", "pools[4]"],
    ["an IPv4 pool in the IPv6 list", { 6: ["10.0.0.0/24"] }, "IPPool 10.0.0.0/24", "pools[6]"],
    ["an IPv6 pool by name in the IPv4 list", { 4: ["fd00---112"] }, "IPPool fd00---112", "pools[4]"],
    ["an address in the pool list", { 4: ["10.0.0.1"] }, "IPPool 10.0.0.1", "pools[4]"],
    ["a pool that does not exist", { 4: ["nowhere"] }, "IPPool nowhere", "pools[4]"],
  ])("%s", async (_, pools, object, field) => {
    const bed = new Testbed();
    await expect(bed.boot().workloads.assign(bed.pod("node-1", { pools }))).rejects.toMatchObject({
      code: "PoolNotFound",
      object,
      field,
    });
  });
});
