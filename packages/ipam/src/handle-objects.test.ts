/** Both in one cluster, and back again: what the incumbent makes of our pods' addresses. */
import { kinds } from "@fairlead/api";
import { FakeCluster, failNth } from "@fairlead/api/fake";
import { describe, expect, test } from "vitest";
import { decodeBlock } from "./block-decode.ts";
import { allocationsOf, BlockDraft } from "./block-draft.ts";
import { createFaultyStore } from "./faulty-store.ts";
import { chooseHandleObjects } from "./handle-objects.ts";
import { blockName } from "./names.ts";
import { del, Testbed } from "./testbed.ts";

/** Its DEL: the handle's object leads to the blocks, and without one there is nothing to release. */
async function itsDel({ store }: Testbed, handle: string): Promise<void> {
  const object = await store.get("IPAMHandle", handle.toLowerCase());
  if (!object) return;
  for (const cidr of Object.keys(object.spec.block)) {
    const block = (await store.get("IPAMBlock", blockName(cidr)))!;
    const draft = new BlockDraft(block.spec, decodeBlock(block), { now: new Date(), cooldownSeconds: 0 });
    for (const { ordinal } of draft.ofHandle(object.spec.handleID)) draft.release(ordinal);
    await store.replace("IPAMBlock", { ...block, spec: draft.finish() });
  }
  await store.remove("IPAMHandle", object);
}

/** Its `ipam check`: every allocation has a handle object that counts it, every object counts what is allocated. */
async function itsComplaints({ store }: Testbed): Promise<string[]> {
  const counts = new Map<string, number>();
  for (const block of await store.list("IPAMBlock"))
    for (const { handle = "" } of allocationsOf(block.spec, decodeBlock(block)))
      counts.set(`${handle} ${block.spec.cidr}`, (counts.get(`${handle} ${block.spec.cidr}`) ?? 0) + 1);
  const said = new Map<string, number>();
  for (const { spec } of await store.list("IPAMHandle"))
    for (const [cidr, count] of Object.entries(spec.block)) said.set(`${spec.handleID} ${cidr}`, count);
  return [...new Set([...counts.keys(), ...said.keys()])].filter((key) => counts.get(key) !== said.get(key));
}

const used = async (bed: Testbed) => (await bed.boot().overview()).pools.map(({ used }) => used);

test("a pod of ours leaves nothing behind when the incumbent deletes it after a roll-back", async () => {
  const bed = new Testbed();
  const ipam = bed.boot({ handleObjects: "always" });
  const pods = [bed.pod("node-1"), bed.pod("node-1"), bed.pod("node-2", { addresses: ["10.0.0.7"] })];
  const given = await Promise.all(pods.map((pod) => ipam.workloads.assign(pod)));
  expect(await itsComplaints(bed)).toEqual([]);
  for (const { handle } of given) await itsDel(bed, handle);
  expect(await used(bed)).toEqual([0, 0]);
  expect(await bed.store.list("IPAMHandle")).toEqual([]);
});

test("a pod of ours that we delete leaves no handle object", async () => {
  const bed = new Testbed();
  const ipam = bed.boot({ handleObjects: "always" });
  const pod = bed.pod("node-1");
  await ipam.workloads.assign(pod);
  await ipam.workloads.release(del(pod));
  expect(await bed.store.list("IPAMHandle")).toEqual([]);
  expect(await used(bed)).toEqual([0, 0]);
});

test("an ADD that fails in one family leaves neither address nor count", async () => {
  const bed = new Testbed("10.0.0.0/24");
  const ipam = bed.boot({ handleObjects: "always" });
  await expect(ipam.workloads.assign(bed.pod("node-1"))).rejects.toMatchObject({ code: "NoPools" });
  expect(await used(bed)).toEqual([0]);
  expect(await itsComplaints(bed)).toEqual([]);
});

test("pods from before the setting get their objects from the controller, and lose them with their addresses", async () => {
  const bed = new Testbed();
  const pods = Array.from({ length: 20 }, () => bed.pod("node-1"));
  for (const pod of pods) await bed.boot().workloads.assign(pod);
  expect(await bed.store.list("IPAMHandle")).toEqual([]);
  let monotonic = 0;
  const options = { facts: bed.facts, monotonic: () => monotonic };
  const collector = bed.boot({ handleObjects: "always" }).collector(options);
  await collector.scan();
  monotonic += 16 * 60_000;
  expect((await collector.scan()).repairedHandles).toHaveLength(20);
  expect(await itsComplaints(bed)).toEqual([]);
  const [first, ...others] = pods;
  await itsDel(bed, `net1.${first?.containerId}`);
  const ours = bed.boot({ handleObjects: "always" });
  for (const pod of others) await ours.workloads.release(del(pod));
  expect(await used(bed)).toEqual([0, 0]);
  expect(await itsComplaints(bed)).toEqual([]);
});

test("a pod costs one read and one write of its handle's object, not one per family", async () => {
  const bed = new Testbed();
  await bed.boot().workloads.assign(bed.pod("node-1"));
  const store = createFaultyStore(bed.store);
  const ipam = bed.boot({ store, handleObjects: "always", settingsMaxAgeMs: 60_000 });
  await ipam.workloads.assign(bed.pod("node-1"));
  const before = store.calls.length;
  await ipam.workloads.assign(bed.pod("node-1"));
  expect(store.calls.slice(before).map(({ verb, kind }) => `${verb} ${kind}`)).toEqual([
    "get IPAMHandle",
    "create IPAMHandle",
    "replace IPAMBlock",
    "replace IPAMBlock",
  ]);
});

describe("handle objects are written", () => {
  const agents = (namespace: string, label: string) => {
    const cluster = new FakeCluster();
    cluster.put(kinds.Pod, {
      metadata: { namespace, name: "calico-node-x", labels: { "k8s-app": label } },
      spec: { containers: [] },
    });
    return cluster;
  };

  test.each([
    ["kube-system", "calico-node"],
    ["calico-system", "calico-node"],
    ["kube-system", "canal"],
  ])("while its agents run in %s (%s)", async (namespace, label) => {
    expect(await chooseHandleObjects(agents(namespace, label).client(), "auto")).toBe("always");
  });

  test("not because of what a tenant calls a pod, nor without the incumbent", async () => {
    expect(await chooseHandleObjects(agents("tenant", "calico-node").client(), "auto")).toBe("when-needed");
    expect(await chooseHandleObjects(agents("kube-system", "coredns").client(), "auto")).toBe("when-needed");
  });

  test("where nobody can say whether it runs, and that is reported", async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const client = new FakeCluster().client(failNth(1, "Unavailable"));
    expect(await chooseHandleObjects(client, "auto", { onError })).toBe("always");
    expect(errors).toHaveLength(1);
  });

  test("as somebody says, without a question", async () => {
    const client = agents("kube-system", "calico-node").client();
    expect(await chooseHandleObjects(client, "when-needed")).toBe("when-needed");
    expect(await chooseHandleObjects(client, "always")).toBe("always");
    expect(client.calls).toEqual([]);
  });
});
