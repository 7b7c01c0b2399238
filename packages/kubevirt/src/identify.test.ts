import {
  kinds,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { FakeCluster } from "@fairlead/api/fake";
import { describe, expect, test } from "vitest";
import { identifyWorkload, type WorkloadObjects } from "./identify.ts";
import { IdentityError, type IdentityErrorCode } from "./identity-error.ts";
import { lookupWorkload } from "./lookup.ts";
import { namespace, Scenario, type Snapshot, vmName } from "./scenario.fixture.ts";

/** A VM on node a, and a migration to b that copies memory. */
function scene() {
  const scenario = new Scenario("a");
  const running = scenario.history.at(-1) as Snapshot;
  scenario.move({ to: "b", outcome: "success", isForgotten: false, isOldStyle: false });
  const migrating = scenario.history.find(({ what }) => what === "started") as Snapshot;
  return { running, migrating, last: scenario.history.at(-1) as Snapshot };
}

const { running, migrating, last } = scene();
const [sourcePod, targetPod] = migrating.pods as [Pod, Pod];
const [migration] = migrating.migrations;
const asActive: WorkloadObjects = { pod: sourcePod, vmi: running.vmi };
const asTarget: WorkloadObjects = { pod: targetPod, vmi: migrating.vmi, migration };

const edit = <T extends { metadata: object }>(object: T, metadata: object): T => ({
  ...object,
  metadata: { ...object.metadata, ...metadata },
});
const owned = (change: object): Pod =>
  edit(sourcePod, { ownerReferences: [{ ...sourcePod.metadata.ownerReferences?.[0], ...change }] });
const withStatus = (vmi: VirtualMachineInstance, change: object): VirtualMachineInstance => ({
  ...vmi,
  status: { ...vmi.status, ...change },
});

function cluster(snapshot: Snapshot) {
  const cluster = new FakeCluster();
  for (const pod of snapshot.pods) cluster.put(kinds.Pod, pod);
  cluster.put(kinds.VirtualMachineInstance, snapshot.vmi);
  for (const one of snapshot.migrations) cluster.put(kinds.VirtualMachineInstanceMigration, one);
  return cluster;
}

describe("whose pod is this", () => {
  test("the pod of a running VM is active, under the VM's full name", () => {
    expect(vmName.length).toBeGreaterThan(63);
    expect(identifyWorkload(asActive)).toEqual({
      kind: "vm",
      namespace,
      name: vmName,
      vmiUid: "uid-vmi",
      vmUid: "uid-vm",
      role: "active",
      migrationUid: undefined,
      guest: { pod: undefined, revision: "1" },
    });
  });

  test("the pod of a migration under way is its target", () => {
    expect(identifyWorkload(asTarget)).toMatchObject({
      role: "target",
      migrationUid: migration?.metadata.uid,
    });
  });

  test("a target whose migration is over is active, though its label stays", () => {
    const pod = last.pods[1] as Pod;
    expect(pod.metadata.labels).toHaveProperty("kubevirt.io/migrationJobUID");
    const objects = { pod, vmi: last.vmi, migration: last.migrations[0] };
    expect(identifyWorkload(objects)).toMatchObject({ role: "active", migrationUid: undefined });
    expect(identifyWorkload({ ...objects, migration: undefined })).toMatchObject({ role: "active" });
  });

  test("the source after the move is former, even while it still runs", () => {
    expect(identifyWorkload({ pod: sourcePod, vmi: last.vmi })).toMatchObject({
      role: "former",
    });
  });

  test("of a VMI that is being stopped no other pod becomes active, nor a target", () => {
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    const ended = { ...sourcePod, status: { ...sourcePod.status, phase: "Succeeded" as const } };
    const stranger = edit(sourcePod, { name: "stranger", uid: "uid-stranger" });
    const listed = { ...running.vmi.status?.activePods, "uid-stranger": stranger.spec.nodeName ?? "" };
    const status = { ...running.vmi.status, activePods: listed };
    const vmi = { ...edit(running.vmi, { deletionTimestamp }), status };
    expect(identifyWorkload({ pod: stranger, vmi, siblings: [ended, stranger] })).toMatchObject({
      role: "former",
    });
    const stopping = edit(asTarget.vmi as VirtualMachineInstance, { deletionTimestamp });
    expect(identifyWorkload({ ...asTarget, vmi: stopping })).toMatchObject({ role: "former" });
  });

  test("a VMI that no VM owns stands for itself", () => {
    const vmi = edit(running.vmi, { ownerReferences: [] });
    expect(identifyWorkload({ pod: sourcePod, vmi })).toMatchObject({ vmUid: undefined, role: "active" });
  });

  test("it says where the guest is, and since which revision of the VMI", () => {
    const pod = last.pods[1] as Pod;
    expect(identifyWorkload({ pod, vmi: last.vmi, migration: last.migrations[0] })).toMatchObject({
      guest: { pod: pod.metadata.name, revision: last.vmi.metadata.resourceVersion },
    });
    expect(identifyWorkload(asTarget)).toMatchObject({ guest: { pod: sourcePod.metadata.name } });
  });

  test("pods of VMs that are gone can still be unwired", () => {
    const pod = edit(sourcePod, { deletionTimestamp: "2026-01-01T00:00:00Z" });
    expect(identifyWorkload({ pod, vmi: running.vmi })).toMatchObject({
      kind: "vm",
      vmUid: "uid-vm",
    });
  });

  test.each<[string, Partial<Pod>]>([
    ["a name like a launcher's", {}],
    [
      "labels like a launcher's",
      { metadata: { ...sourcePod.metadata, labels: { "kubevirt.io": "virt-launcher" } } },
    ],
  ])("%s makes no VM", (_name, change) => {
    const pod = edit({ ...sourcePod, ...change }, { ownerReferences: [] });
    expect(identifyWorkload({ pod, vmi: running.vmi })).toEqual({ kind: "pod" });
  });

  test("an owner that does not control the pod makes no VM", () => {
    expect(identifyWorkload({ ...asActive, pod: owned({ controller: false }) })).toEqual({ kind: "pod" });
    expect(identifyWorkload({ ...asActive, pod: owned({ apiVersion: "apps/v1" }) })).toEqual({ kind: "pod" });
  });

  test("a new pod that KubeVirt does not list yet has to wait", () => {
    const vmi = withStatus(running.vmi, { activePods: {} });
    expect(identifyWorkload({ ...asActive, vmi })).toMatchObject({
      kind: "retry",
      error: { code: "NotActivePod" },
    });
  });

  test("of two pods that no migration made neither is the VM's, as long as KubeVirt lists both", () => {
    const second = edit(sourcePod, { name: "virt-launcher-second", uid: "uid-second" });
    const vmi = withStatus(running.vmi, {
      activePods: { ...running.vmi.status?.activePods, "uid-second": "a" },
    });
    const siblings = [sourcePod, second];
    for (const pod of siblings)
      expect(identifyWorkload({ pod, vmi, siblings })).toMatchObject({
        kind: "retry",
        error: { code: "NotActivePod" },
      });
    const target = edit(second, { labels: { "kubevirt.io/migrationJobUID": "uid-move" } });
    const finished = { ...second, status: { phase: "Failed" as const } };
    for (const none of [[], [target], [finished]])
      expect(identifyWorkload({ pod: sourcePod, vmi, siblings: none })).toMatchObject({ role: "active" });
  });

  test("the pods of a namespace are read only where KubeVirt lists more than one", async () => {
    const both = cluster({
      ...running,
      vmi: withStatus(running.vmi, { activePods: { ...running.vmi.status?.activePods, "uid-second": "a" } }),
    });
    both.put(kinds.Pod, edit(sourcePod, { name: "virt-launcher-second", uid: "uid-second" }));
    const client = both.client();
    const waiting = lookupWorkload(client, sourcePod.metadata, { patienceMs: 0 });
    await expect(waiting).rejects.toMatchObject({ code: "NotActivePod" });
    await client.delete(kinds.Pod, { namespace, name: "virt-launcher-second" }, { gracePeriodSeconds: 0 });
    expect(await lookupWorkload(client, sourcePod.metadata)).toMatchObject({ role: "active" });
    const alone = cluster(running).client();
    await lookupWorkload(alone, sourcePod.metadata);
    expect(alone.calls.map(({ verb }) => verb)).toEqual(["get", "get"]);
  });

  test("a target whose migration is not there yet has to wait", () => {
    const early = withStatus(migrating.vmi, { migrationState: undefined });
    const unknown = { ...asTarget, vmi: early, migration: undefined };
    expect(identifyWorkload(unknown)).toMatchObject({ kind: "retry", error: { code: "MigrationNotFound" } });
  });
});

const otherMove = { ...migration, spec: { vmiName: "another" } } as VirtualMachineInstanceMigration;
const moved = (change: object) =>
  withStatus(migrating.vmi, { migrationState: { ...migrating.vmi.status?.migrationState, ...change } });

test.each<[string, IdentityErrorCode, WorkloadObjects]>([
  ["the VMI does not exist", "InstanceNotFound", { pod: sourcePod }],
  [
    "the VMI was created again",
    "InstanceMismatch",
    { ...asActive, vmi: edit(running.vmi, { uid: "other" }) },
  ],
  [
    "the VMI is in another namespace",
    "InstanceMismatch",
    { ...asActive, vmi: edit(running.vmi, { namespace: "other" }) },
  ],
  ["the reference has no UID", "InvalidOwnerReference", { ...asActive, pod: owned({ uid: "" }) }],
  [
    "the reference has another version",
    "UnsupportedVersion",
    { ...asActive, pod: owned({ apiVersion: "kubevirt.io/v2" }) },
  ],
  [
    "the VM runs elsewhere and never migrated",
    "NotActivePod",
    { ...asActive, pod: { ...sourcePod, spec: { ...sourcePod.spec, nodeName: "c" } } },
  ],
  [
    "the migration moves another VM",
    "MigrationMismatch",
    { ...asTarget, vmi: withStatus(migrating.vmi, { migrationState: undefined }), migration: otherMove },
  ],
  [
    "the migration has another target",
    "MigrationMismatch",
    { ...asTarget, vmi: moved({ targetPod: "another" }) },
  ],
])("refused: %s", (_name, code, objects) => {
  const refusal = refusalOf(objects);
  expect(refusal.code).toBe(code);
  expect(refusal.message).toContain(refusal.remedy);
});

function refusalOf(objects: WorkloadObjects): IdentityError {
  try {
    identifyWorkload(objects);
  } catch (error) {
    if (error instanceof IdentityError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

describe("looking it up", () => {
  const ref = { namespace, name: targetPod.metadata.name };

  test("a target is found with its migration, by UID", async () => {
    expect(await lookupWorkload(cluster(migrating).client(), ref)).toMatchObject({ role: "target" });
  });

  test("an ordinary pod costs one read and no look at KubeVirt", async () => {
    const plain = new FakeCluster({ missing: [kinds.VirtualMachineInstance] });
    plain.put(kinds.Pod, edit(sourcePod, { ownerReferences: [] }));
    const client = plain.client();
    expect(await lookupWorkload(client, sourcePod.metadata)).toEqual({ kind: "pod" });
    expect(client.calls).toHaveLength(1);
  });

  test("it waits until KubeVirt lists the pod", async () => {
    const early = cluster({ ...migrating, vmi: withStatus(migrating.vmi, { activePods: {} }) });
    let looks = 0;
    const client = early.client(({ verb, kind }) => {
      if (verb === "get" && kind === "VirtualMachineInstance" && ++looks === 3)
        early.put(kinds.VirtualMachineInstance, migrating.vmi);
      return undefined;
    });
    expect(await lookupWorkload(client, ref, { intervalMs: 1 })).toMatchObject({ role: "target" });
    expect(looks).toBe(3);
  });

  test("patience ends", async () => {
    const never = cluster({ ...migrating, vmi: withStatus(migrating.vmi, { activePods: {} }) });
    const lookup = lookupWorkload(never.client(), ref, { patienceMs: 5, intervalMs: 1 });
    await expect(lookup).rejects.toMatchObject({ code: "NotActivePod" });
  });

  test("what a view cannot tell, the server decides", async () => {
    const empty = new FakeCluster().client();
    const authority = cluster(migrating).client();
    expect(await lookupWorkload(empty, ref, { authority })).toMatchObject({ role: "target" });
    await expect(lookupWorkload(empty, ref)).rejects.toMatchObject({ code: "NotFound" });
  });

  test("a view that waits for KubeVirt asks the server nothing until it knows, and once when patience ends", async () => {
    const early = { ...migrating, vmi: withStatus(migrating.vmi, { activePods: {} }) };
    const view = cluster(early);
    let looks = 0;
    const seen = view.client(({ kind }) => {
      if (kind === "VirtualMachineInstance" && ++looks === 3)
        view.put(kinds.VirtualMachineInstance, migrating.vmi);
      return undefined;
    });
    const authority = cluster(early).client();
    expect(await lookupWorkload(seen, ref, { authority, intervalMs: 1 })).toMatchObject({ role: "target" });
    expect(authority.calls).toEqual([]);
    const pod = targetPod;
    const never = lookupWorkload(cluster(early).client(), ref, {
      authority,
      pod,
      patienceMs: 5,
      intervalMs: 1,
    });
    await expect(never).rejects.toMatchObject({ code: "NotActivePod" });
    expect(authority.calls.map(({ kind }) => kind).sort()).toEqual([
      "Pod",
      "VirtualMachineInstance",
      "VirtualMachineInstanceMigration",
    ]);
  });

  test("a kind that the server does not serve at the moment is no VM that was deleted", async () => {
    const upgrading = cluster(migrating);
    upgrading.unserve(kinds.VirtualMachineInstance);
    await expect(lookupWorkload(upgrading.client(), ref)).rejects.toMatchObject({ name: "ApiError" });
  });

  test("a failing server is reported, never taken for an ordinary pod", async () => {
    const broken = cluster(migrating);
    broken.setDown(true);
    await expect(lookupWorkload(broken.client(), ref)).rejects.toMatchObject({ code: "Unavailable" });
  });

  test("an abort ends the wait", async () => {
    const never = cluster({ ...migrating, vmi: withStatus(migrating.vmi, { activePods: {} }) });
    const controller = new AbortController();
    const lookup = lookupWorkload(never.client(), ref, {
      signal: controller.signal,
      patienceMs: 60_000,
      intervalMs: 10_000,
    });
    const reason = new Error("enough");
    queueMicrotask(() => controller.abort(reason));
    await expect(lookup).rejects.toBe(reason);
  });
});
