import { type ClusterView, createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { watchedKinds } from "./cluster-watch.ts";
import { fakeAttachment } from "./fakes.fixture.ts";
import { createIdentity } from "./identity.ts";
import { putPod, VirtualMachineObjects } from "./virtual-machine.fixture.ts";

const signal = AbortSignal.timeout(60_000);
const a = { namespace: "default", name: "pod-a", uid: "uid-pod-a" };
const b = { namespace: "default", name: "pod-b", uid: "uid-pod-b" };

let cluster: FakeCluster;
let view: ClusterView;
let vm: VirtualMachineObjects;
beforeEach(async () => {
  cluster = new FakeCluster();
  cluster.put(kinds.Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } });
  vm = new VirtualMachineObjects(cluster, "vm1", "02:aa:00:00:00:01");
  view = createClusterView({ client: cluster.client(), kinds: watchedKinds });
  await view.synced();
});
afterEach(() => view.close());

/** The view has seen everything that was written so far. */
async function seen(): Promise<void> {
  await expect
    .poll(() => view.list(kinds.Pod).length + Object.keys(instance()?.status?.activePods ?? {}).length)
    .toBe((await cluster.client().list(kinds.Pod)).items.length * 2);
}

const instance = () => view.get(kinds.VirtualMachineInstance, { namespace: "default", name: "vm1" });

function open(nodeName = "node-a") {
  const client = cluster.client();
  const identity = createIdentity({ client, view, nodeName });
  return { identity, requests: () => client.calls.map(({ verb, kind }) => `${verb} ${kind}`).sort() };
}

describe("ADD", () => {
  it("of a VM's first pod asks the server nothing when the view has VMI and pod", async () => {
    vm.pod("pod-a", "node-a");
    await seen();
    const { identity, requests } = open();
    expect(await identity.arriving(a, signal)).toMatchObject({
      vm: { name: "vm1", vmUid: "vm-vm1", vmiUid: "vmi-vm1", role: "active", guest: { pod: undefined } },
    });
    expect(requests()).toEqual([]);
  });

  it("of a migration's target asks it nothing either, and says where the guest is and since when", async () => {
    vm.pod("pod-a", "node-a");
    vm.migration("move", "Scheduling");
    vm.pod("pod-b", "node-b", "move");
    vm.handOff("move", ["pod-a", "node-a"], ["pod-b", "node-b"]);
    await seen();
    await expect.poll(() => instance()?.status?.migrationState).toBeDefined();
    const { identity, requests } = open("node-b");
    const { vm: found } = await identity.arriving(b, signal);
    expect(found).toMatchObject({ role: "target", migrationUid: "uid-move", guest: { pod: "pod-a" } });
    expect(found?.guest?.revision).toBe(instance()?.metadata.resourceVersion);
    expect(requests()).toEqual([]);
  });

  it("of a pod to which the guest has moved reads the VMI live: the view may be from before the next move", async () => {
    vm.pod("pod-a", "node-a");
    vm.migration("move", "Succeeded");
    vm.pod("pod-b", "node-b", "move");
    vm.runsOn("node-b");
    vm.handOff("move", ["pod-a", "node-a"], ["pod-b", "node-b"], { completed: true });
    await seen();
    await expect.poll(() => instance()?.status?.migrationState?.completed).toBe(true);
    const { identity, requests } = open("node-b");
    expect(await identity.arriving(b, signal)).toMatchObject({
      vm: { role: "active", guest: { pod: "pod-b" } },
    });
    expect(requests()).toEqual(["get VirtualMachineInstance", "get VirtualMachineInstanceMigration"]);
  });

  it("waits for KubeVirt to list the pod without asking the server again and again", async () => {
    vm.pod("pod-a", "node-a");
    await seen();
    const listed = await cluster
      .client()
      .get(kinds.VirtualMachineInstance, { namespace: "default", name: "vm1" });
    cluster.put(kinds.VirtualMachineInstance, { ...listed, status: { ...listed.status, activePods: {} } });
    await expect.poll(() => instance()?.status?.activePods).toEqual({});
    const { identity, requests } = open();
    const arriving = identity.arriving(a, signal);
    cluster.put(kinds.VirtualMachineInstance, listed);
    expect(await arriving).toMatchObject({ vm: { role: "active" } });
    expect(requests()).toEqual([]);
  });

  it("is tried again later while the server does not serve KubeVirt's kinds", async () => {
    putPod(cluster, "pod-a", "node-a", {
      ownerReferences: [
        {
          apiVersion: "kubevirt.io/v1",
          kind: "VirtualMachineInstance",
          name: "vm9",
          uid: "u",
          controller: true,
        },
      ],
    });
    cluster.unserve(kinds.VirtualMachineInstance);
    await expect(open().identity.arriving(a, signal)).rejects.toMatchObject({ code: "TryAgainLater" });
  });

  it("of an ordinary pod asks about no VM", async () => {
    putPod(cluster, "pod-a", "node-a");
    const { identity, requests } = open();
    expect(await identity.arriving(a, signal)).not.toHaveProperty("vm");
    expect(requests().filter((one) => one.includes("VirtualMachine"))).toEqual([]);
  });
});

describe("DEL", () => {
  const known = { name: "vm1", vmUid: "vm-vm1", vmiUid: "vmi-vm1" };
  const attachment = fakeAttachment("pod-a", { vm: known });
  const standalone = fakeAttachment("pod-a", { vm: { name: "vm1", vmiUid: "vmi-vm1" } });

  it("reads the VMI for the guest and the VM for its deletion, and nothing else", async () => {
    vm.handOff("move", ["pod-a", "node-a"], ["pod-b", "node-b"]);
    const { identity, requests } = open();
    expect(await identity.departing(a, attachment, signal)).toEqual({
      uid: "uid-pod-a",
      vm: { ...known, deleting: false, guest: { pod: "pod-a", revision: expect.any(String) } },
    });
    expect(requests()).toEqual(["get VirtualMachine", "get VirtualMachineInstance"]);
    const alone = open();
    expect(await alone.identity.departing(a, standalone, signal)).toMatchObject({ vm: { deleting: false } });
    expect(alone.requests()).toEqual(["get VirtualMachineInstance"]);
  });

  it("of a VM that is gone says so, also when another has its name", async () => {
    const client = cluster.client();
    await client.delete(kinds.VirtualMachine, { namespace: "default", name: "vm1" });
    expect((await open().identity.departing(a, attachment, signal)).vm).toMatchObject({ deleting: true });
    const other = { metadata: { name: "vm1", namespace: "default" }, spec: {} };
    await client.create(kinds.VirtualMachine, other);
    expect((await open().identity.departing(a, attachment, signal)).vm).toMatchObject({ deleting: true });
  });

  it.each([
    ["VirtualMachine", attachment],
    ["VirtualMachineInstance", attachment],
    ["VirtualMachineInstance", standalone],
  ] as const)("while %s is not served a VM is not taken for deleted, and DEL goes on", async (kind, one) => {
    cluster.unserve(kinds[kind]);
    const { vm: found } = await open().identity.departing(a, one, signal);
    expect(found).toMatchObject({ deleting: false });
    expect(found?.guest === undefined).toBe(kind === "VirtualMachineInstance");
  });

  it("of a pod of which nothing is remembered goes on while KubeVirt's kinds are not served", async () => {
    vm.pod("pod-a", "node-a");
    await seen();
    await cluster.client().delete(kinds.VirtualMachineInstance, { namespace: "default", name: "vm1" });
    await expect.poll(instance).toBeUndefined();
    cluster.unserve(kinds.VirtualMachineInstance);
    expect(await open().identity.departing(a, undefined, signal)).toEqual({ uid: "uid-pod-a" });
  });

  it("is tried again later while the server does not answer", async () => {
    cluster.setDown(true);
    await expect(open().identity.departing(a, attachment, signal)).rejects.toMatchObject({
      code: "TryAgainLater",
    });
  });
});
