import { kinds, listAll } from "@fairlead/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { consoleSocket } from "../qemu/index.ts";
import { askForLease } from "./guest-lease.ts";
import { launcherDirectory } from "./launcher-protocol.ts";
import { guestAddresses } from "./pod-switch.ts";
import { TinyCluster, until } from "./tiny-cluster.ts";

let cluster: TinyCluster;
let bootId: string;

beforeAll(async () => {
  cluster = await TinyCluster.start();
});
afterAll(() => cluster?.stop());

test("a VM becomes a VMI, a launcher pod and a guest that answers", async () => {
  bootId = await cluster.startVm();
  const { status } = await cluster.vmi();
  expect(status).toMatchObject({ nodeName: "node-a", interfaces: [{ ipAddress: guestAddresses.ipv4 }] });
  expect(status?.phaseTransitionTimestamps?.map(({ phase }) => phase)).toEqual([
    "Pending",
    "Scheduling",
    "Scheduled",
    "Running",
  ]);
});

test("an eviction is refused, and moves the guest to another node", async () => {
  const source = await cluster.currentPod();
  const { name } = source.metadata;
  const evict = () =>
    cluster.client.raw({
      method: "POST",
      path: `/api/v1/namespaces/default/pods/${name}/eviction`,
      body: { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" } },
    });
  await expect(evict()).rejects.toMatchObject({ code: "TooManyRequests" });
  const vmi = await cluster.untilVmi("the guest to move", ({ status }) => status?.nodeName === "node-b");
  expect(vmi.status).toMatchObject({ phase: "Running", evacuationNodeName: "" });
  const { items } = await listAll(cluster.client, kinds.VirtualMachineInstanceMigration);
  const [migration] = items.filter(
    ({ metadata }) => metadata.annotations?.["kubevirt.io/evacuationMigration"] === "node-a",
  );
  expect(migration!.metadata.name).toMatch(/^kubevirt-evacuation-/);
  expect((await cluster.untilEnd(migration!)).status?.phase).toBe("Succeeded");
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  const pod = await cluster.currentPod();
  const socket = consoleSocket(launcherDirectory(cluster.rootOf("node-b"), pod.metadata.uid!));
  expect(await askForLease(socket)).toMatch(new RegExp(`lease of ${guestAddresses.ipv4} obtained`));
  await until("the pod to end", async () => (await cluster.again(source)).status?.phase === "Succeeded");
  await expect(evict()).resolves.toBeDefined();
});

test("stopped by the API, the guest powers off, and nothing of VMI and pods is left", async () => {
  const { client } = cluster;
  const path = "/apis/subresources.kubevirt.io/v1/namespaces/default/virtualmachines/vm/stop";
  expect(await client.raw({ method: "PUT", path, body: {} })).toMatchObject({ status: 202 });
  await until("the VM to be stopped", async () => {
    const { status } = await client.get(kinds.VirtualMachine, cluster.vm);
    return status?.printableStatus === "Stopped";
  });
  expect((await listAll(client, kinds.VirtualMachineInstance)).items).toEqual([]);
  expect(await cluster.pods()).toEqual([]);
});
