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
const nowhere = { get: () => undefined };

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

/** A view with VM vm1 in it. */
async function viewOf(mac: string): Promise<ClusterView> {
  const cluster = new FakeCluster();
  new VirtualMachineObjects(cluster, "vm1", mac);
  const view = createClusterView({ client: cluster.client(), kinds: [kinds.VirtualMachineInstance] });
  views.defer(() => view.close());
  await view.synced();
  return view;
}

it("is the VMI's, and after a restart without the API server the one it last was", async () => {
  expect(createGuestMacs(await viewOf(guest), openMigrationFiles(directory))(target)).toBe(guest);
  expect(createGuestMacs(nowhere, openMigrationFiles(directory))(target)).toBe(guest);
  const changed = createGuestMacs(await viewOf("02:aa:00:00:00:02"), openMigrationFiles(directory));
  expect([changed(target), changed(target)]).toEqual(["02:aa:00:00:00:02", "02:aa:00:00:00:02"]);
  expect(createGuestMacs(nowhere, openMigrationFiles(directory))(target)).toBe("02:aa:00:00:00:02");
});

it("is the pod's for an ordinary pod, and where nothing was ever known; a damaged file is nothing", async () => {
  const memory = openMigrationFiles(directory);
  const { vm: _, ...ordinary } = target;
  expect(createGuestMacs(await viewOf(guest), memory)(ordinary)).toBe(target.mac);
  expect(createGuestMacs(nowhere, memory)(target)).toBe(target.mac);
  writeFileSync(join(directory, "container-b.eth0.mac"), "02:aa:00");
  expect(createGuestMacs(nowhere, memory)(target)).toBe(target.mac);
});

it("is forgotten with the endpoint", async () => {
  const memory = openMigrationFiles(directory);
  createGuestMacs(await viewOf(guest), memory)(target);
  expect(readdirSync(directory)).toEqual(["container-b.eth0.mac"]);
  memory.forget(target);
  expect(readdirSync(directory)).toEqual([]);
});
