import { parseJson, stringifyJson } from "@fairlead/api";
import { beforeEach, describe, expect, test } from "vitest";
import { emptyBlock } from "./block-draft.ts";
import { blockGeometry } from "./block-geometry.ts";
import { incumbentObjects } from "./incumbent.fixture.ts";
import { createIpam } from "./ipam.ts";
import { blockName } from "./names.ts";
import { type IPAMBlock, type IPAMHandle, ipamKinds } from "./resources.ts";
import { type IpamStore, isStoreError } from "./store.ts";
import { findViolations } from "./violations.ts";

/** A server may leave out what is null. */
const withoutNulls = (value: object): object =>
  parseJson(
    stringifyJson(value)
      .replace(/"\w+":null,/g, "")
      .replace(/,"\w+":null/g, ""),
  ) as object;

/** What every IpamStore does. `open` gives one that holds nothing. */
export function describeStore(name: string, open: () => Promise<IpamStore> | IpamStore): void {
  describe(name, () => {
    let store: IpamStore;
    beforeEach(async () => {
      store = await open();
    }, 60_000);
    const handle = (block: Record<string, number>): IPAMHandle => ({
      metadata: { name: "h", annotations: { "ipam.fairlead.dev/mac": "02:00:00:00:00:01" } },
      spec: { handleID: "h", block, deleted: false },
    });
    const code = async (call: Promise<unknown>) => {
      const error = await call.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      return isStoreError(error) ? error.code : error;
    };

    test("answers undefined for what does not exist, and an empty list", async () => {
      expect(await store.get("IPAMHandle", "h")).toBeUndefined();
      expect(await store.list("IPAMHandle")).toEqual([]);
    });

    test("gives back what was created, with a uid and a revision", async () => {
      const created = await store.create("IPAMHandle", handle({ "10.0.0.0/26": 1 }));
      expect(created.metadata.uid).toBeTruthy();
      expect(created.metadata.resourceVersion).toBeTruthy();
      expect(await store.get("IPAMHandle", "h")).toEqual(created);
      expect(created.spec).toMatchObject(handle({ "10.0.0.0/26": 1 }).spec);
      expect(created.metadata.annotations).toEqual(handle({}).metadata.annotations);
    });

    test("refuses to create what exists", async () => {
      await store.create("IPAMHandle", handle({}));
      expect(await code(store.create("IPAMHandle", handle({})))).toBe("AlreadyExists");
    });

    test("replaces only the version that was read", async () => {
      const first = await store.create("IPAMHandle", handle({}));
      const second = await store.replace("IPAMHandle", {
        ...first,
        spec: { ...first.spec, block: { "10.0.0.0/26": 2 } },
      });
      expect(second.metadata.resourceVersion).not.toBe(first.metadata.resourceVersion);
      expect(await code(store.replace("IPAMHandle", { ...first, spec: first.spec }))).toBe("Conflict");
      expect((await store.get("IPAMHandle", "h"))?.spec.block).toEqual({ "10.0.0.0/26": 2 });
    });

    test("does not replace what is gone", async () => {
      const first = await store.create("IPAMHandle", handle({}));
      await store.remove("IPAMHandle", first);
      expect(await code(store.replace("IPAMHandle", first))).toBe("Conflict");
    });

    test("removes only the version that was read, and once gone is gone", async () => {
      const first = await store.create("IPAMHandle", handle({}));
      const second = await store.replace("IPAMHandle", {
        ...first,
        spec: { ...first.spec, block: { "10.0.0.0/26": 1 } },
      });
      expect(await code(store.remove("IPAMHandle", first))).toBe("Conflict");
      await store.remove("IPAMHandle", second);
      await store.remove("IPAMHandle", second);
      expect(await store.get("IPAMHandle", "h")).toBeUndefined();
    });

    test("keeps a block to the last field, 64-bit sequence numbers included", async () => {
      const geometry = blockGeometry("fd00::40/122")!;
      const spec: IPAMBlock["spec"] = {
        ...emptyBlock(geometry, "host:node-1", new Date("2026-01-01T00:00:00Z")),
        sequenceNumber: 1_798_761_600_123_456_789n,
        sequenceNumberForAllocation: { 3: 1_798_761_600_123_456_788n },
        allocations: Array.from({ length: 64 }, (_, i) => (i === 3 ? 0 : null)),
        unallocated: Array.from({ length: 64 }, (_, i) => i).filter((i) => i !== 3),
        attributes: [{ handle_id: "h", secondary: { pod: "p" }, alternateOwnerAttrs: { pod: "q" } }],
      };
      await store.create("IPAMBlock", { metadata: { name: blockName(geometry.cidr) }, spec });
      expect((await store.get("IPAMBlock", blockName(geometry.cidr)))?.spec).toEqual(spec);
    });

    test.each(ipamKinds)("accepts and keeps the incumbent's %s", async (kind) => {
      for (const object of incumbentObjects()[kind]) {
        await store.create(kind, object);
        const kept = (await store.get(kind, object.metadata.name))!;
        expect(withoutNulls(kept.spec)).toMatchObject(withoutNulls(object.spec));
        expect(kept.metadata.annotations).toEqual(object.metadata.annotations);
      }
    });

    test("serves many nodes that write at once", async () => {
      await store.create("IPPool", { metadata: { name: "p" }, spec: { cidr: "10.0.0.0/26", blockSize: 28 } });
      const nodes = Array.from({ length: 4 }, () => createIpam({ store, wait: async () => {} }));
      const given = await Promise.all(
        Array.from({ length: 64 }, (_, i) =>
          nodes[i % 4]!.workloads.assign({
            network: "net",
            containerId: `c${i}`,
            node: `node-${i % 4}`,
            pod: { namespace: "n", name: `p${i}`, uid: `u${i}`, creationTimestamp: "2026-01-01T00:00:00Z" },
            families: [4],
          }),
        ),
      );
      expect(new Set(given.map(({ addresses }) => addresses[0]!.address)).size).toBe(64);
      expect(await findViolations(store)).toEqual([]);
    });
  });
}
