import { kinds } from "@fairlead/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { consoleSocket } from "../qemu/index.ts";
import { configureMigrations } from "./configure-migrations.ts";
import type { Faults } from "./faults.ts";
import { askForLease } from "./guest-lease.ts";
import type { JournalEntry } from "./journal.ts";
import { launcherDirectory } from "./launcher-protocol.ts";
import { TinyCluster, until } from "./tiny-cluster.ts";
import { watchVmi } from "./vmi-changes.ts";

let cluster: TinyCluster;
let bootId: string;

beforeAll(async () => {
  cluster = await TinyCluster.start();
  bootId = await cluster.startVm();
});
afterAll(() => cluster?.stop());

test("a migration moves the guest, and each object tells it in KubeVirt's order", async () => {
  const changes = watchVmi(cluster.client);
  const migration = await cluster.migrate();
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  const vmi = await cluster.untilVmi(
    "the label to go and the address to be reported",
    ({ metadata, status }) =>
      metadata.labels?.["kubevirt.io/migrationTargetNodeName"] === undefined &&
      status?.interfaces?.[0]?.ipAddress !== undefined,
  );
  expect(vmi.metadata.labels).toMatchObject({ "kubevirt.io/nodeName": "node-b" });
  expect(vmi.metadata.annotations).toMatchObject({ "kubevirt.io/nonroot": "true" });
  expect(vmi.status).toMatchObject({
    phase: "Running",
    nodeName: "node-b",
    migrationState: {
      migrationUid: migration.metadata.uid,
      completed: true,
      sourceNode: "node-a",
      targetNode: "node-b",
    },
  });
  expect(vmi.status?.migrationState?.failed).toBeUndefined();
  // The source's word of the departed guest comes before the acknowledgement, or not at all.
  expect((await changes.stop()).filter((step) => step !== "noAddress")).toEqual([
    "migrationUid",
    "targetNodeAddress",
    "startTimestamp",
    "targetNodeDomainDetected targetNodeDomainReadyTimestamp endTimestamp nodeName label",
    "completed",
  ]);
  await cluster.untilAlone();
  expect((await cluster.currentPod()).metadata).toMatchObject({
    labels: { "kubevirt.io/migrationJobUID": migration.metadata.uid },
    annotations: {
      "kubevirt.io/migrationJobName": migration.metadata.name,
      "kubevirt.io/migration-target-ready-timestamp": expect.stringMatching(/ \+0000 UTC$/),
    },
  });
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
});

const failures: [what: string, faults: Faults][] = [
  ["aborted while the guest is stopped", { abortAfterStop: true }],
  ["whose target QEMU dies during the copy", { killTargetDuringCopy: true, bandwidth: 4 << 20 }],
];

test.each(failures)("a migration %s fails, and the guest stays where it was", async (_what, faults) => {
  const migration = await cluster.migrate(faults);
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Failed");
  expect((await cluster.vmi()).status).toMatchObject({
    phase: "Running",
    nodeName: "node-b",
    migrationState: { failed: true },
  });
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  await cluster.untilAlone();
});

test("a migration cancelled during the copy is aborted, and its object goes", async () => {
  const migration = await cluster.migrate({ bandwidth: 1 << 20 });
  await cluster.untilPhase(migration, "Running");
  const { name } = migration.metadata;
  await cluster.client.delete(kinds.VirtualMachineInstanceMigration, { namespace: "default", name });
  await until("the migration's object to go", async () => (await cluster.find(migration)) === undefined);
  expect((await cluster.vmi()).status).toMatchObject({
    nodeName: "node-b",
    migrationState: { abortRequested: true, abortStatus: "Succeeded", failed: true },
  });
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  await cluster.untilAlone();
});

test("a copy that takes longer than the KubeVirt object allows is aborted", async () => {
  await using _ = await configureMigrations(cluster.client, { completionTimeoutPerGiB: 2 });
  const migration = await cluster.migrate({ bandwidth: 1 << 20 });
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Failed");
  expect((await cluster.vmi()).status).toMatchObject({
    nodeName: "node-b",
    migrationState: {
      failed: true,
      abortStatus: "Succeeded",
      failureReason: "Live migration has been aborted",
      migrationConfiguration: { completionTimeoutPerGiB: 2, progressTimeout: 150, allowPostCopy: false },
    },
  });
  expect(cluster.journal("node-b").at(-2)).toMatchObject({
    event: "migration-aborted",
    reason: expect.stringMatching(/not completed after 2 seconds/),
  });
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  await cluster.untilAlone();
});

test("a long pause, a late acknowledgement and a DHCP server that forgets the guest, as asked for", async () => {
  const faults = { stretchPauseMs: 300, delayAckMs: 1_000, dhcpForgetsGuestMac: true };
  const migration = await cluster.migrate(faults);
  await cluster.untilVmi("the acknowledgement", ({ status }) => status?.nodeName === "node-a");
  const acknowledgedAt = process.hrtime.bigint();
  const mark = (node: string, event: JournalEntry["event"]) =>
    BigInt(
      cluster
        .journal(node)
        .findLast((one) => one.event === event && one.migration === migration.metadata.uid)!.at,
    );
  const resumedAt = mark("node-a", "resumed");
  expect(Number(resumedAt - mark("node-b", "stopped")) / 1e6).toBeGreaterThanOrEqual(faults.stretchPauseMs);
  expect(Number(acknowledgedAt - resumedAt) / 1e6).toBeGreaterThanOrEqual(faults.delayAckMs);
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  // The source's launcher lives on for a while after a migration.
  const pod = await cluster.currentPod();
  const socket = consoleSocket(launcherDirectory(cluster.rootOf("node-a"), pod.metadata.uid!));
  expect(await askForLease(socket)).toMatch(/no lease/);
  await cluster.untilAlone();
});

test("an acknowledgement that is lost leaves the VMI where it was, though the guest has moved", async () => {
  const migration = await cluster.migrate({ loseAck: true });
  await until("the guest to run there", async () =>
    cluster
      .journal("node-b")
      .some(({ event, migration: uid }) => event === "resumed" && uid === migration.metadata.uid),
  );
  await until("the source's pod to end", async () => (await cluster.livingPods()).length === 1);
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  const { status } = await cluster.vmi();
  expect(status).toMatchObject({ phase: "Running", nodeName: "node-a" });
  expect(status?.migrationState?.endTimestamp).toBeUndefined();
});
