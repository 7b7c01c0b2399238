/**
 * What was seen of KubeVirt 1.9 in a real cluster, with real guests and by the numbers of that list. Those that need no guest
 * are tested beside the code that does them, by the same numbers.
 */
import { execFileSync } from "node:child_process";
import { kinds, type Pod, type VirtualMachineInstanceMigration } from "@fairlead/api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { conditionOf } from "./status.ts";
import { TinyCluster, until } from "./tiny-cluster.ts";
import { watchVmi } from "./vmi-changes.ts";

const isReady = (pod: Pod) => conditionOf(pod, "Ready")?.status === "True";

let cluster: TinyCluster;
let bootId: string;

beforeAll(async () => {
  cluster = await TinyCluster.start();
  bootId = await cluster.startVm();
});
afterAll(() => cluster?.stop());

/** What a migration's object says until it is gone: its phase, and whether it was asked to abort. */
async function watchMigration({ metadata: { uid } }: VirtualMachineInstanceMigration): Promise<Set<string>> {
  const over = new AbortController();
  const seen = new Set<string>();
  const options = { namespace: "default", signal: over.signal };
  for await (const event of cluster.client.watch(kinds.VirtualMachineInstanceMigration, options)) {
    if (event.type === "BOOKMARK" || event.object.metadata.uid !== uid) continue;
    seen.add(`${event.object.status?.phase} ${conditionOf(event.object, "migrationAbortRequested")?.status}`);
    if (event.type === "DELETED") break;
  }
  over.abort();
  return seen;
}

test("1, 3: with a late acknowledgement the source deletes its domain, forgets the address and ends its pod long before", async () => {
  const changes = watchVmi(cluster.client);
  const source = await cluster.currentPod();
  const migration = await cluster.migrate({ delayAckMs: 4_000, sourceEndMs: 1_500, forgetsMac: true });
  await until("the source to delete the domain", async () => (await cluster.events("Deleted")).length > 0);
  const [event] = await cluster.events("Deleted");
  expect(event?.message).toBe("Signaled Deletion");
  expect(isReady(await cluster.again(source))).toBe(true);
  await until("its pod to end", async () => (await cluster.again(source)).status?.phase === "Succeeded");
  const vmi = await cluster.untilVmi("virt-controller to see it", ({ status }) =>
    Boolean(status?.conditions?.some(({ reason }) => reason === "PodTerminating")),
  );
  expect(vmi.status).toMatchObject({ phase: "Running", nodeName: "node-a" });
  expect(vmi.status?.interfaces).toEqual([{ name: "default", podInterfaceName: "eth0" }]);
  expect(vmi.status?.migrationState?.endTimestamp).toBeUndefined();
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  await cluster.untilVmi("the target's report", ({ status }) => Boolean(status?.interfaces?.[0]?.ipAddress));
  const steps = await changes.stop();
  expect(steps.indexOf("noAddress")).toBe(steps.length - 3);
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
});

test("2: a start that is reported late comes when the guest has long been running on the target", async () => {
  const changes = watchVmi(cluster.client);
  const migration = await cluster.migrate({ startReportMs: 600_000, ackMs: 2_000 });
  const uid = migration.metadata.uid;
  await until("the guest to run on the target", async () =>
    cluster.journal("node-a").some(({ event, migration: of }) => event === "resumed" && of === uid),
  );
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  // The source's next write carries it along: that of the interface.
  expect((await changes.stop()).slice(0, 3)).toEqual([
    "migrationUid",
    "targetNodeAddress",
    "startTimestamp noAddress",
  ]);
  await cluster.untilAlone();
});

test("5: the target's pod is Ready some time after the acknowledgement, and the VMI is not, in between", async () => {
  const migration = await cluster.migrate({ podReadyMs: 1_500, notReadyMs: 1_000 });
  const readyOf = async () => conditionOf(await cluster.vmi(), "Ready")?.reason;
  await cluster.untilVmi("the acknowledgement", ({ status }) => status?.nodeName === "node-b");
  await until("the VMI not to be Ready", async () => (await readyOf()) === "ReadinessGatesNotReady");
  expect((await cluster.vmi()).status?.nodeName).toBe("node-b");
  await until("the VMI to be Ready again", async () => (await readyOf()) === undefined);
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  await cluster.untilAlone();
});

test("4: two migrations at once; the second knows the old source pod until virt-controller looks again", async () => {
  const [first, second] = await Promise.all([
    cluster.migrate({ admissionMs: 300, bandwidth: 24 << 20 }),
    cluster.migrate({ admissionMs: 300, bandwidth: 24 << 20 }),
  ]);
  await expect(cluster.migrate()).rejects.toThrow(/in-flight migration detected/);
  const phaseOf = async (of: typeof first) => (await cluster.find(of))?.status?.phase;
  await until("one of them to run", async () =>
    [await phaseOf(first), await phaseOf(second)].includes("Running"),
  );
  const isFirst = (await phaseOf(first)) === "Running";
  const [running, waiting] = isFirst ? [first, second] : [second, first];
  const source = (await cluster.currentPod()).metadata.name;
  {
    using _ = cluster.controller.pause();
    await cluster.untilVmi("the guest to move", ({ status }) => Boolean(status?.migrationState?.completed));
    expect((await cluster.vmi()).status?.nodeName).toBe("node-a");
    expect((await cluster.find(waiting))?.status).toMatchObject({
      phase: "Pending",
      migrationState: { sourcePod: source },
    });
    expect(await phaseOf(running)).toBe("Running");
  }
  expect((await cluster.untilEnd(running)).status?.phase).toBe("Succeeded");
  expect((await cluster.untilEnd(waiting)).status?.phase).toBe("Succeeded");
  const { status } = await cluster.vmi();
  expect(status).toMatchObject({ nodeName: "node-b", migrationState: { sourceNode: "node-a" } });
  expect(status?.migrationState?.sourcePod).not.toBe(source);
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  await cluster.untilAlone();
});

test("7: cancelled after the guest has left, a migration ends as Succeeded all the same, and says that it was asked", async () => {
  const migration = await cluster.migrate({ delayAckMs: 1_500, migratedEvents: 4 });
  const uid = migration.metadata.uid;
  await until("the guest to run on the target", async () =>
    cluster.journal("node-a").some(({ event, migration: of }) => event === "resumed" && of === uid),
  );
  await cluster.untilPhase(migration, "Running");
  const before = (await cluster.events("Migrated")).length;
  const history = watchMigration(migration);
  const { name } = migration.metadata;
  await cluster.client.delete(kinds.VirtualMachineInstanceMigration, { namespace: "default", name });
  const seen = await history;
  expect(seen).toContain("Succeeded True");
  expect((await cluster.vmi()).status?.nodeName).toBe("node-a");
  expect((await cluster.events("Migrated")).length - before).toBe(4);
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
  await cluster.untilAlone();
});

test("a virt-handler that stands still keeps its acknowledgement to itself, and the source goes its way", async () => {
  const migration = await cluster.migrate({ bandwidth: 24 << 20 });
  await cluster.untilPhase(migration, "Running");
  {
    using _ = cluster.handlers.get("node-b")!.pause();
    await until("the source's pod to end", async () => (await cluster.livingPods()).length === 1);
    expect((await cluster.vmi()).status).toMatchObject({ phase: "Running", nodeName: "node-a" });
  }
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Succeeded");
  expect(await cluster.untilGuestAnswers()).toBe(bootId);
});

test("6: a target that dies with the guest fails the VMI once its launcher has waited in vain, and the VM starts another", async () => {
  const before = await cluster.vmi();
  const source = await cluster.currentPod();
  const migration = await cluster.migrate({ killTargetAfterSwitchMs: 0, ackMs: 1_000, bereavedMs: 3_000 });
  const { uid } = migration.metadata;
  await until("its pod to end", async () => (await cluster.again(source)).status?.phase === "Succeeded");
  const { status } = await cluster.vmi();
  expect(status).toMatchObject({ phase: "Running", nodeName: "node-b" });
  expect(status?.migrationState).toMatchObject({ migrationUid: uid });
  expect(status?.migrationState?.failed).toBeUndefined();
  expect((await cluster.untilEnd(migration)).status?.phase).toBe("Failed");
  await cluster.untilVmi(
    "the next VMI to run",
    ({ metadata, status }) => metadata.uid !== before.metadata.uid && status?.phase === "Running",
  );
  execFileSync("nsenter", [`--net=${cluster.outside}`, "--", "ip", "neighbour", "flush", "all"]);
  expect(await cluster.untilGuestAnswers()).not.toBe(bootId);
});
