import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterView, createClusterView, kinds } from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { afterEach, beforeEach, expect, it } from "vitest";
import { fakeAttachment } from "./fakes.fixture.ts";
import { createGuestMacs } from "./guest-macs.ts";
import { openMigrationFiles } from "./migration-files.ts";
import { VirtualMachineObjects } from "./virtual-machine.fixture.ts";

const vm = { name: "vm1", vmUid: "vm-vm1", vmiUid: "vmi-vm1" };
const target = fakeAttachment("b", { mac: "02:99:00:00:00:09", role: "target", vm });
const guest = "02:aa:00:00:00:01";
const nowhere = { get: () => undefined, subscribe: () => ({ [Symbol.dispose]() {} }) };

let directory: string;
let views: AsyncDisposableStack;
beforeEach(() => {
  views = new AsyncDisposableStack();
  directory = mkdtempSync(join(tmpdir(), "fairlead-macs-"));
});
afterEach(async () => {
  await views.disposeAsync();
  rmSync(directory, { recursive: true });
});

/** A view with VM vm1 in it, whose owner chose the MAC. */
async function viewOf(mac: string): Promise<ClusterView> {
  const cluster = new FakeCluster();
  new VirtualMachineObjects(cluster, "vm1", mac);
  return viewIn(cluster);
}

async function viewIn(cluster: FakeCluster): Promise<ClusterView> {
  const view = createClusterView({ client: cluster.client(), kinds: [kinds.VirtualMachineInstance] });
  views.defer(() => view.close());
  await view.synced();
  return view;
}

/** VM vm1 whose MAC only its status tells. */
function report(cluster: FakeCluster, interfaces: readonly object[]): void {
  cluster.put(kinds.VirtualMachineInstance, {
    apiVersion: "kubevirt.io/v1",
    kind: "VirtualMachineInstance",
    metadata: { name: "vm1", namespace: "default", uid: "vmi-vm1" },
    spec: { networks: [{ name: "default", pod: {} }] },
    status: { phase: "Running", interfaces },
  });
}

const said = { name: "default", mac: guest, infoSource: "domain" };
/** What the source's virt-handler leaves after its teardown, KubeVirt 1.9. */
const emptied: readonly { readonly interfaces: readonly object[] }[] = [
  { interfaces: [] },
  { interfaces: [{ name: "default", queueCount: 1 }] },
  { interfaces: [{ name: "default", mac: "02:77:00:00:00:07" }] },
];

it.each(emptied)(
  "is what the status said before it was emptied, also for a target made meanwhile: $interfaces",
  async ({ interfaces }) => {
    const cluster = new FakeCluster();
    report(cluster, [said]);
    const view = await viewIn(cluster);
    const macs = createGuestMacs(view, openMigrationFiles(directory));
    const changed = Promise.withResolvers<void>();
    view.subscribe(kinds.VirtualMachineInstance, () => changed.resolve(), { replay: false });
    report(cluster, interfaces);
    await changed.promise;
    expect(macs.of(target)).toBe(guest);
    // The file has it from now on, for an agent that starts while the status is empty.
    expect(createGuestMacs(await viewIn(cluster), openMigrationFiles(directory)).of(target)).toBe(guest);
  },
);

it("is the VMI's, and after a restart without the API server the one it last was", async () => {
  expect(createGuestMacs(await viewOf(guest), openMigrationFiles(directory)).of(target)).toBe(guest);
  expect(createGuestMacs(nowhere, openMigrationFiles(directory)).of(target)).toBe(guest);
  const changed = createGuestMacs(await viewOf("02:aa:00:00:00:02"), openMigrationFiles(directory));
  expect([changed.of(target), changed.of(target)]).toEqual(["02:aa:00:00:00:02", "02:aa:00:00:00:02"]);
  expect(createGuestMacs(nowhere, openMigrationFiles(directory)).of(target)).toBe("02:aa:00:00:00:02");
});

it("is the pod's for an ordinary pod, and where nothing was ever known; a damaged file is nothing", async () => {
  const memory = openMigrationFiles(directory);
  const { vm: _, ...ordinary } = target;
  expect(createGuestMacs(await viewOf(guest), memory).of(ordinary)).toBe(target.mac);
  expect(createGuestMacs(nowhere, memory).of(target)).toBe(target.mac);
  writeFileSync(join(directory, "container-b.eth0.mac"), "02:aa:00");
  expect(createGuestMacs(nowhere, memory).of(target)).toBe(target.mac);
});

it("is forgotten with the endpoint", async () => {
  const memory = openMigrationFiles(directory);
  createGuestMacs(await viewOf(guest), memory).of(target);
  expect(readdirSync(directory)).toEqual(["container-b.eth0.mac"]);
  memory.forget(target);
  expect(readdirSync(directory)).toEqual([]);
});
