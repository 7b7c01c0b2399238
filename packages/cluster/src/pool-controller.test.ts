import { createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { createIpam, createKubernetesStore } from "@fairlead/ipam";
import { expect, it } from "vitest";
import { createPoolController } from "./pool-controller.ts";
import { createUnsupportedReporter } from "./unsupported.ts";

const log = { info() {}, warn() {}, error() {}, debug() {} };

/** A cluster whose Installation wants one pool, and both reporters over a view of it. */
async function scene() {
  const client = new FakeCluster().client();
  await client.create(kinds.Installation, {
    metadata: { name: "default" },
    spec: { calicoNetwork: { ipPools: [{ cidr: "10.244.0.0/16", natOutgoing: "Disabled" }] } },
  });
  const view = createClusterView({
    client,
    kinds: [kinds.Installation, kinds.IPPool, kinds.FelixConfiguration],
  });
  await view.synced();
  const pools = createIpam({ store: createKubernetesStore({ client }) }).pools;
  const pool = () => client.get(kinds.IPPool, { name: "default-ipv4-ippool" });
  return {
    client,
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
