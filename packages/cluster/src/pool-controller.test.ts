import { type ApiClient, ApiError, createClusterView, type IPPool, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createIpam, createKubernetesStore } from "@fairlead/ipam";
import { describe, expect, it } from "vitest";
import { createPoolController } from "./pool-controller.ts";
import { managedLabel } from "./pools.ts";
import { createUnsupportedReporter } from "./unsupported.ts";

const log = { info() {}, warn() {}, error() {}, debug() {} };

/** A cluster whose Installation wants one pool, and both reporters over a view of it. */
async function scene() {
  const cluster = new FakeCluster();
  const client = cluster.client();
  await client.create(kinds.Installation, {
    metadata: { name: "default" },
    spec: { calicoNetwork: { ipPools: [{ cidr: "10.244.0.0/16", natOutgoing: "Disabled" }] } },
  });
  const view = createClusterView({
    client,
    kinds: [kinds.Installation, kinds.IPPool, kinds.FelixConfiguration],
  });
  await view.synced();
  const pools = createIpam({ store: createKubernetesStore({ client }), wait: async () => {} }).pools;
  const pool = () => client.get(kinds.IPPool, { name: "default-ipv4-ippool" });
  return {
    cluster,
    client,
    view,
    pool,
    controller: createPoolController({ client, view, pools, log }),
    unsupported: createUnsupportedReporter({ client, view, log }),
    /** Resolves when the view has what is stored. */
    async seen() {
      const { resourceVersion } = (await pool()).metadata;
      await expect
        .poll(() => view.get(kinds.IPPool, { name: "default-ipv4-ippool" })?.metadata.resourceVersion, {
          timeout: 30_000,
        })
        .toBe(resourceVersion);
    },
    async events() {
      const { items } = await client.list(kinds.Event, { namespace: "default" });
      return items.map(
        ({ reason, involvedObject, message }) => `${reason} ${involvedObject.name}: ${message}`,
      );
    },
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}

it("makes the Installation's pools, and then has nothing to do", async () => {
  await using it = await scene();
  expect(await it.controller.reconcile()).toBe(1);
  await it.seen();
  expect((await it.pool()).spec).toMatchObject({ cidr: "10.244.0.0/16", natOutgoing: false });
  expect(await it.controller.reconcile()).toBe(0);
  expect(await it.events()).toEqual([]);
});

it("takes an edit back and says where to make it", async () => {
  await using it = await scene();
  await it.controller.reconcile();
  await it.client.patch(
    kinds.IPPool,
    { name: "default-ipv4-ippool" },
    { spec: { natOutgoing: true } },
    { type: "merge" },
  );
  await it.seen();
  await it.controller.reconcile();
  expect((await it.pool()).spec.natOutgoing).toBe(false);
  expect(await it.events()).toEqual([
    "EditReverted default-ipv4-ippool: set back to what the Installation says: natOutgoing; change spec.calicoNetwork.ipPools there",
  ]);
});

it("says once what has no effect, and again after it came back", async () => {
  await using it = await scene();
  await it.controller.reconcile();
  const set = async (vxlanMode: "Always" | "Never") => {
    await it.client.patch(
      kinds.IPPool,
      { name: "default-ipv4-ippool" },
      { spec: { vxlanMode } },
      { type: "merge" },
    );
    await it.seen();
    await it.unsupported.report();
  };
  await set("Always");
  await it.unsupported.report();
  expect(await it.events()).toEqual([
    "NotSupported default-ipv4-ippool: encapsulation has no effect: packets travel as they are, and routers must know the pods' routes",
  ]);
  await set("Never");
  await set("Always");
  expect(await it.events()).toHaveLength(2);
});

it("names WireGuard, which has no effect either", async () => {
  await using it = await scene();
  await it.client.create(kinds.FelixConfiguration, {
    metadata: { name: "default" },
    spec: { wireguardEnabled: true },
  });
  await expect
    .poll(
      async () => {
        await it.unsupported.report();
        return await it.events();
      },
      { timeout: 30_000 },
    )
    .toEqual([
      "NotSupported default: wireguardEnabled has no effect: traffic between nodes is not encrypted",
    ]);
});

it("goes on beside a pool that has lost its spec, and says so of its own", async () => {
  await using it = await scene();
  await it.controller.reconcile();
  for (const name of ["default-ipv4-ippool", "odd"])
    it.cluster.put(kinds.IPPool, {
      apiVersion: "projectcalico.org/v3",
      kind: "IPPool",
      metadata: { name, labels: managedLabel },
    } as unknown as IPPool);
  await it.seen();
  await it.controller.reconcile();
  await it.unsupported.report();
  expect(await it.events()).toContain(
    "FieldsAreFixed default-ipv4-ippool: cidr of a pool cannot change: give the Installation a pool with another name",
  );
  expect(await it.pool()).toMatchObject({ metadata: { name: "default-ipv4-ippool" } });
});

const declare = (client: ApiClient, ipPools: unknown) =>
  client.patch(
    kinds.Installation,
    { name: "default" },
    { spec: { calicoNetwork: { ipPools } } },
    { type: "merge" },
  );

/** An Installation as no server should let it pass. */
const malform = ({ cluster }: { cluster: FakeCluster }, spec: unknown) => {
  const [present] = cluster.store.objects(kinds.Installation);
  cluster.put(kinds.Installation, { ...present, spec });
};

/** The same with an address in use, and the state of pools and blocks. */
async function used() {
  const it = await scene();
  await it.controller.reconcile();
  await it.seen();
  const ipam = createIpam({ store: createKubernetesStore({ client: it.client }), wait: async () => {} });
  await ipam.assign({ address: "10.244.0.9", handle: "h", node: "node-1" });
  return {
    ...it,
    ipam,
    declare: (ipPools: unknown) => declare(it.client, ipPools),
    async state() {
      const [pools, affinities, installation] = await Promise.all([
        it.client.list(kinds.IPPool),
        it.client.list(kinds.BlockAffinity),
        it.client.list(kinds.Installation),
      ]);
      await expect
        .poll(() => [...it.view.list(kinds.Installation), ...it.view.list(kinds.IPPool)].map(revision).sort())
        .toEqual([...installation.items, ...pools.items].map(revision).sort());
      return {
        pools: pools.items.map(({ metadata, spec }) => `${metadata.name}${spec.disabled ? " disabled" : ""}`),
        affinities: affinities.items.length,
      };
    },
  };
}

const revision = ({ metadata }: { metadata: { name: string; resourceVersion?: string } }) =>
  `${metadata.name} ${metadata.resourceVersion}`;
const untouched = { pools: ["default-ipv4-ippool"], affinities: 1 };
const retired = { pools: ["default-ipv4-ippool disabled"], affinities: 1 };

type Used = Awaited<ReturnType<typeof used>>;

describe("an Installation that says nothing about pools leaves them alone:", () => {
  it.each<[string, (it: Used) => unknown]>([
    ["the list was removed by a three-way merge", (it) => it.declare(null)],
    ["calicoNetwork is gone", (it) => malform(it, {})],
    ["the spec is gone", (it) => malform(it, undefined)],
    ["the spec is null", (it) => malform(it, null)],
    ["the list is null", (it) => malform(it, { calicoNetwork: { ipPools: null } })],
    ["the list is a text", (it) => malform(it, { calicoNetwork: { ipPools: "10.244.0.0/16" } })],
    ["the list is an object", (it) => malform(it, { calicoNetwork: { ipPools: {} } })],
    ["an entry has no CIDR", (it) => malform(it, { calicoNetwork: { ipPools: [{ name: "nothing" }] } })],
    [
      "it is empty, and another field is wrong",
      (it) => malform(it, { variant: 5, calicoNetwork: { ipPools: [] } }),
    ],
    ["it was deleted", (it) => it.client.delete(kinds.Installation, { name: "default" })],
    [
      "its name is another",
      async (it) => {
        await it.client.delete(kinds.Installation, { name: "default" });
        await it.client.create(kinds.Installation, {
          metadata: { name: "other" },
          spec: { calicoNetwork: { ipPools: [] } },
        });
      },
    ],
  ])("%s", async (_, change) => {
    await using it = await used();
    await change(it);
    expect(await it.state()).toEqual(untouched);
    await it.controller.reconcile();
    expect(await it.state()).toEqual(untouched);
  });

  it("the server denies the kind, as one does that restarts", async () => {
    await using it = await used();
    await it.declare([]);
    await it.state();
    it.cluster.unserve(kinds.Installation);
    expect(await it.controller.reconcile()).toBe(0);
    it.cluster.serve(kinds.Installation);
    expect(await it.state()).toEqual(untouched);
  });

  it("it cannot be read, and is told so once", async () => {
    await using it = await used();
    malform(it, { calicoNetwork: { ipPools: [{ name: "nothing" }] } });
    await it.state();
    await it.controller.reconcile();
    await it.controller.reconcile();
    expect(await it.events()).toEqual([
      expect.stringMatching(
        /^InvalidObject default: pools stay as they are: spec\.calicoNetwork\.ipPools\[0\]\.cidr/,
      ),
    ]);
  });
});

describe("a pool that left the Installation", () => {
  it.each<[string, unknown]>([
    ["the list is empty", []],
    ["another pool replaced it", [{ name: "other", cidr: "10.250.0.0/16" }]],
  ])("stays, disabled, while an address is in use, and goes with the last one: %s", async (_, list) => {
    await using it = await used();
    await it.declare(list);
    await it.state();
    await it.controller.reconcile();
    await it.controller.reconcile();
    const state = await it.state();
    expect(state.pools).toContain("default-ipv4-ippool disabled");
    expect(state.affinities).toBe(1);
    expect(await it.events()).toEqual([
      expect.stringMatching(/^StillInUse default-ipv4-ippool: .*\(now 1\)/),
    ]);
    await it.ipam.releaseByHandle("h");
    await it.controller.reconcile();
    const after = await it.state();
    expect(after.pools).not.toContain("default-ipv4-ippool disabled");
    expect(after.affinities).toBe(0);
  });

  it("gives out addresses again when it comes back, and nobody is said to have edited it", async () => {
    await using it = await used();
    const list = [{ cidr: "10.244.0.0/16", natOutgoing: "Disabled" }];
    await it.declare([]);
    await it.state();
    await it.controller.reconcile();
    expect(await it.state()).toEqual(retired);
    await it.declare(list);
    await it.state();
    await it.controller.reconcile();
    expect(await it.state()).toEqual(untouched);
    expect((await it.events()).join()).not.toContain("EditReverted");
  });

  it("is judged by what the server says now, not by what was watched", async () => {
    await using it = await used();
    const before = it.view.get(kinds.Installation, { name: "default" })!;
    const stale = {
      ...before,
      spec: { ...before.spec, calicoNetwork: { ...before.spec.calicoNetwork!, ipPools: [] } },
    };
    const controller = createPoolController({
      client: it.client,
      pools: it.ipam.pools,
      log,
      view: { get: () => stale as never, list: (kind) => it.view.list(kind) },
    });
    expect(await controller.reconcile()).toBe(0);
    expect(await it.state()).toEqual(untouched);
  });

  it("stays when the server does not answer", async () => {
    await using it = await used();
    await it.declare([]);
    await it.state();
    it.client.faults = ({ verb, kind }) =>
      verb === "get" && kind === "Installation"
        ? { type: "fail", error: new ApiError("Unavailable", "no") }
        : undefined;
    await expect(it.controller.reconcile()).rejects.toMatchObject({ code: "Unavailable" });
    it.client.faults = undefined;
    expect(await it.state()).toEqual(untouched);
  });
});

it("a pool that overlaps one that is there is not made, and the Installation is told", async () => {
  await using it = await used();
  await it.declare([{ name: "wide", cidr: "10.0.0.0/8" }]);
  await it.state();
  await it.controller.reconcile();
  await it.controller.reconcile();
  expect(await it.state()).toEqual(untouched);
  expect(await it.events()).toEqual([
    expect.stringMatching(/^PoolRefused default: pool wide .* overlaps IPPool default-ipv4-ippool/),
  ]);
});
