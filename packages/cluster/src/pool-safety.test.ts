/** Whatever becomes of the Installation, in whatever order: what is in use stays, and what is declared in the end is in force. */
import { createClusterView, type KubernetesObject, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createIpam, createKubernetesStore } from "@fairlead/ipam";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createPoolController } from "./pool-controller.ts";

const log = { info() {}, warn() {}, error() {}, debug() {} };
const four = { cidr: "10.1.0.0/24" };
const six = { cidr: "fd00:1::/112" };
const more = { cidr: "10.2.0.0/24" };

/** What people, tools and accidents make of `spec`. */
const specs: readonly unknown[] = [
  ...[[four, six, more], [six, more, four], [more, four], [six], [four], []].map((ipPools) => ({
    calicoNetwork: { ipPools },
  })),
  { calicoNetwork: { ipPools: [{ ...four, name: "renamed" }, six] } },
  { calicoNetwork: { ipPools: [four, { cidr: "fd00:1::1/112" }] } },
  { calicoNetwork: { ipPools: [{ cidr: "10.0.0.0/8" }, six] } },
  { calicoNetwork: { ipPools: [four, four] } },
  { calicoNetwork: { ipPools: [{ ...four, blockSize: 28 }, six] } },
  { calicoNetwork: { ipPools: [{ name: "nothing" }] } },
  { calicoNetwork: { ipPools: null } },
  { calicoNetwork: {} },
  {},
  null,
];

const step = fc.oneof(
  fc.record({ type: fc.constant("declare" as const), spec: fc.constantFrom(...specs) }),
  fc.record({ type: fc.constantFrom("delete" as const, "deny" as const, "allow" as const) }),
  fc.record({
    type: fc.constantFrom("take" as const, "free" as const),
    family: fc.constantFrom(4 as const, 6 as const),
    handle: fc.constantFrom("a", "b", "c"),
  }),
  fc.record({ type: fc.constant("reconcile" as const) }),
);

it("what is in use stays, and what is declared in the end is in force", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const cluster = new FakeCluster();
      const client = cluster.client();
      // The view waits for nothing between its attempts.
      await using view = createClusterView({
        client,
        kinds: [kinds.Installation, kinds.IPPool],
        random: () => -0.499,
      });
      await view.synced();
      const ipam = createIpam({
        store: createKubernetesStore({ client }),
        wait: async () => {},
        settingsMaxAgeMs: 0,
      });
      const controller = createPoolController({ client, view, pools: ipam.pools, log });
      const inForce = new Map<string, string>();

      let isDenied = false;
      const revisions = (objects: readonly KubernetesObject[]) =>
        objects
          .map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`)
          .sort()
          .join();
      /** Works on what is stored; while the kind is denied, on what was seen before. */
      async function reconcile(): Promise<void> {
        const isSeen = () =>
          revisions(view.list(kinds.Installation)) === revisions(cluster.store.objects(kinds.Installation)) &&
          revisions(view.list(kinds.IPPool)) === revisions(cluster.store.objects(kinds.IPPool));
        while (!isDenied && !isSeen()) await new Promise((resolve) => setImmediate(resolve));
        // While the kind is denied the server cannot be asked.
        await controller.reconcile().catch(() => {});
      }
      function serve(isServed: boolean): void {
        isDenied = !isServed;
        if (isServed) cluster.serve(kinds.Installation);
        else cluster.unserve(kinds.Installation);
      }
      function declare(spec: unknown): void {
        const [present] = cluster.store.objects(kinds.Installation);
        cluster.put(kinds.Installation, {
          ...present,
          metadata: { ...present?.metadata, name: "default" },
          spec,
        });
      }
      async function expectKept(): Promise<void> {
        const pools = cluster.store.objects(kinds.IPPool) as never as { spec: { cidr: string } }[];
        const blocks = new Set((await ipam.affinities.list()).map(({ cidr }) => cidr));
        for (const [address, block] of inForce) {
          const prefix = address.includes(":") ? "fd00:1:" : address.split(".").slice(0, 2).join(".");
          expect(
            pools.map(({ spec }) => spec.cidr).some((cidr) => cidr.startsWith(prefix)),
            address,
          ).toBe(true);
          expect(blocks, address).toContain(block);
        }
      }

      declare(specs[0]);
      await reconcile();
      for (const one of steps) {
        if (one.type === "declare") declare(one.spec);
        else if (one.type === "delete") {
          for (const { metadata } of cluster.store.objects(kinds.Installation))
            cluster.store.delete(kinds.Installation, { name: metadata.name });
        } else if (one.type === "deny") serve(false);
        else if (one.type === "allow") serve(true);
        else if (one.type === "reconcile") await reconcile();
        else if (one.type === "take") {
          const request = {
            handle: one.handle,
            node: "node-1",
            count: { [one.family]: 1 },
            use: "Workload",
          } as const;
          // A pool that left gives out nothing.
          const taken = await ipam.allocate(request).catch(() => ({ addresses: [] }));
          const cidrs = (await ipam.affinities.list()).map(({ cidr }) => cidr);
          for (const { address } of taken.addresses) {
            const stem = address.slice(0, address.lastIndexOf(address.includes(":") ? ":" : "."));
            inForce.set(address, cidrs.find((cidr) => cidr.startsWith(stem))!);
          }
        } else if (one.type === "free") {
          for (const address of await ipam.releaseByHandle(one.handle).catch(() => []))
            inForce.delete(address);
        }
        await expectKept();
      }
      serve(true);
      for (const handle of ["a", "b", "c"]) await ipam.releaseByHandle(handle).catch(() => []);
      declare(specs[0]);
      await expect
        .poll(async () => {
          await reconcile();
          const { items } = await client.list(kinds.IPPool);
          return items
            .filter(({ spec }) => !spec.disabled)
            .map(({ spec }) => spec.cidr)
            .sort();
        })
        .toEqual([four.cidr, more.cidr, six.cidr].sort());
    }),
    { numRuns: 60 },
  );
});
