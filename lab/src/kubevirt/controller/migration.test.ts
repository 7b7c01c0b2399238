import type {
  MigrationState,
  Pod,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { expect, test } from "vitest";
import { faultsAnnotation } from "../faults.ts";
import { at, migrationFixture, podFixture, runningVmi } from "../vmi-fixture.ts";
import type { Decision } from "./decision.ts";
import { decideMigration, goTime } from "./migration.ts";
import type { MigrationInput } from "./migration-input.ts";

function input(
  migration: VirtualMachineInstanceMigration,
  vmi: VirtualMachineInstance | undefined = runningVmi(),
  parts: Partial<MigrationInput> = {},
): MigrationInput {
  const pods = vmi ? [podFixture(vmi, { node: "node-a" })] : [];
  const base = { migration, vmi, pods, all: [migration], sourceNodeOf: () => undefined };
  return { ...base, now: at, nowMs: Date.parse(at), ...parts };
}
function target(
  migration: VirtualMachineInstanceMigration,
  phase: "Pending" | "Running" | "Failed" = "Running",
): Pod {
  return podFixture(runningVmi(), { node: "node-b", name: "virt-launcher-vm-bbbbb", phase, migration });
}
const source = podFixture(runningVmi(), { node: "node-a" });
const ofSource = { migrationState: { sourcePod: source.metadata.name } };
/** A migration that waits, and knows the source's pod. */
function pending(metadata: Partial<VirtualMachineInstanceMigration["metadata"]> = {}) {
  const migration = migrationFixture("Pending", metadata);
  migration.status = { ...migration.status, ...ofSource };
  return migration;
}
const phaseWritten = ({ writes }: Decision): string | undefined => {
  const write = writes.find((candidate) => candidate.do === "replaceStatus");
  return write?.do === "replaceStatus"
    ? (write.object as VirtualMachineInstanceMigration).status?.phase
    : undefined;
};
const message = ({ writes }: Decision) =>
  writes.flatMap((write) => (write.do === "event" ? [write.message] : [])).at(-1);
const handedOver: MigrationState = {
  migrationUid: "move-uid",
  sourceNode: "node-a",
  targetNode: "node-b",
  targetPod: "virt-launcher-vm-bbbbb",
};
/** A VMI that has migrated before. */
function withoutRoot(status: VirtualMachineInstance["status"] = {}): VirtualMachineInstance {
  const vmi = runningVmi("node-a", status);
  vmi.metadata.annotations = { ...vmi.metadata.annotations, "kubevirt.io/nonroot": "true" };
  return vmi;
}
const withState = (more: MigrationState = {}) =>
  runningVmi("node-a", { migrationState: { ...handedOver, ...more } });

const aborted = { type: "migrationAbortRequested", status: "True" as const, lastTransitionTime: at };

const steps: [from: string | undefined, vmi: VirtualMachineInstance, hasTarget: boolean, to: string][] = [
  [undefined, runningVmi(), false, "Pending"],
  ["Pending", runningVmi(), true, "Scheduling"],
  ["Scheduling", runningVmi(), true, "Scheduled"],
  ["Scheduled", withState(), true, "PreparingTarget"],
  ["PreparingTarget", withState({ targetNodeAddress: "192.0.2.2" }), true, "TargetReady"],
  ["TargetReady", withState({ targetNodeAddress: "192.0.2.2", startTimestamp: at }), true, "Running"],
  ["Running", withState({ startTimestamp: at, completed: true }), true, "Succeeded"],
];

test.each(steps)("from %s", (from, vmi, hasTarget, to) => {
  const migration = from === "Pending" ? pending() : migrationFixture(from);
  const pods = hasTarget ? [source, target(migration)] : [source];
  expect(phaseWritten(decideMigration(input(migration, vmi, { pods })))).toBe(to);
});

const waits: [phase: string, vmi: VirtualMachineInstance][] = [
  ["PreparingTarget", withState()],
  ["TargetReady", withState({ targetNodeAddress: "192.0.2.2" })],
  ["Running", withState({ startTimestamp: at, targetNodeDomainDetected: true })],
];

test.each(waits)("in %s it waits for the node", (phase, vmi) => {
  const migration = migrationFixture(phase);
  expect(decideMigration(input(migration, vmi, { pods: [source, target(migration)] })).writes).toEqual([]);
});

test("the hand-over is one patch of state and label, and replaces the last migration's state", () => {
  const migration = migrationFixture("Scheduled", {
    annotations: { [faultsAnnotation]: '{"loseAck":true}' },
  });
  const vmi = runningVmi("node-a", { migrationState: { migrationUid: "earlier", completed: true } });
  vmi.metadata.annotations![faultsAnnotation] = '{"sourceEndMs":0,"loseAck":false}';
  const { writes } = decideMigration(input(migration, vmi, { pods: [source, target(migration)] }));
  expect(writes[0]).toMatchObject({
    do: "patch",
    operations: [
      { op: "test", path: "/metadata/resourceVersion", value: "10" },
      {
        op: "add",
        path: "/status/migrationState",
        value: {
          ...handedOver,
          sourcePod: source.metadata.name,
          migrationConfiguration: { faults: { loseAck: true, sourceEndMs: 0, seed: "move-uid" } },
        },
      },
      { op: "add", path: "/metadata/labels/kubevirt.io~1migrationTargetNodeName", value: "node-b" },
    ],
  });
  expect(JSON.stringify(writes[0])).not.toContain("completed");
});

test("a target is not created while another pod of the VMI has not finished, or the limits are reached", () => {
  const migration = pending();
  const earlier = podFixture(runningVmi(), { node: "node-c", name: "earlier" });
  expect(decideMigration(input(migration, withoutRoot(), { pods: [source, earlier] }))).toEqual({
    writes: [],
    again: 1000,
  });
  const others = Array.from({ length: 5 }, (_, i) =>
    migrationFixture("Running", { name: `m${i}`, namespace: `n${i}`, uid: `m${i}-uid` }),
  );
  expect(decideMigration(input(migration, withoutRoot(), { all: [migration, ...others] })).writes).toEqual(
    [],
  );
  const outbound = { all: [migration, ...others.slice(0, 2)], sourceNodeOf: () => "node-a" };
  expect(decideMigration(input(migration, withoutRoot(), outbound)).writes).toEqual([]);
  const elsewhere = { ...outbound, sourceNodeOf: () => "node-z" };
  expect(decideMigration(input(migration, withoutRoot(), elsewhere)).writes[0]?.do).toBe("createPod");
});

test("a finished source of an earlier migration does not stand in the way", () => {
  const finished = podFixture(runningVmi(), { node: "node-c", name: "earlier", phase: "Succeeded" });
  expect(decideMigration(input(pending(), withoutRoot(), { pods: [finished, source] })).writes[0]?.do).toBe(
    "createPod",
  );
});

test("real-cluster 7: the first migration of a VMI notes that it runs without root, before the target is made", () => {
  const { writes } = decideMigration(input(pending(), runningVmi()));
  expect(writes).toMatchObject([
    {
      do: "patch",
      kind: { kind: "VirtualMachineInstance" },
      operations: [
        { op: "test" },
        { op: "add", path: "/metadata/annotations/kubevirt.io~1nonroot", value: "true" },
        { op: "add", path: "/status/runtimeUser", value: 107 },
      ],
    },
  ]);
});

test("cancelled before the hand-over: the target pod goes and the VMI is not touched", () => {
  const migration = migrationFixture("Scheduled", { deletionTimestamp: at });
  const decision = decideMigration(input(migration, runningVmi(), { pods: [source, target(migration)] }));
  expect(decision.writes.map((write) => write.do)).toEqual(["delete", "event", "replaceStatus", "event"]);
  expect(phaseWritten(decision)).toBe("Failed");
  expect(message(decision)).toBe("Migration failed due to being canceled");
});

test("cancelled after the hand-over: it is noted, and once it runs the node is asked to abort, once", () => {
  const early = migrationFixture("TargetReady", { deletionTimestamp: at });
  const waiting = withState({ targetNodeAddress: "192.0.2.2" });
  const noted = decideMigration(input(early, waiting, { pods: [source, target(early)] })).writes;
  expect(noted).toMatchObject([{ do: "replaceStatus", object: { status: { conditions: [aborted] } } }]);
  early.status!.conditions = [aborted];
  expect(decideMigration(input(early, waiting, { pods: [source, target(early)] })).writes).toEqual([]);

  const running = migrationFixture("Running", { deletionTimestamp: at });
  running.status!.conditions = [aborted];
  const pods = [source, target(running)];
  const asked = decideMigration(input(running, withState({ startTimestamp: at }), { pods }));
  expect(asked.writes[0]).toMatchObject({
    operations: [{ op: "test" }, { path: "/status/migrationState/abortRequested", value: true }],
  });
  const again = decideMigration(
    input(running, withState({ startTimestamp: at, abortRequested: true }), { pods }),
  );
  expect(again.writes).toEqual([]);
});

test("real-cluster 7: a cancellation that came too late ends as Succeeded with the condition that it was asked for", () => {
  const migration = migrationFixture("Running", { deletionTimestamp: at });
  const vmi = withState({ startTimestamp: at, completed: true });
  const pods = [source, target(migration)];
  const noted = decideMigration(input(migration, vmi, { pods })).writes;
  expect(noted).toMatchObject([{ object: { status: { phase: "Running", conditions: [aborted] } } }]);
  migration.status!.conditions = [aborted];
  const ended = decideMigration(input(migration, vmi, { pods }));
  expect(phaseWritten(ended)).toBe("Succeeded");
  expect(ended.writes[0]).toMatchObject({ object: { status: { conditions: [aborted] } } });
});

test("a target pod that dies fails the migration, and the VMI is told if it knew of it", () => {
  const before = migrationFixture("Scheduling");
  const early = decideMigration(input(before, runningVmi(), { pods: [source, target(before, "Failed")] }));
  expect(early.writes.map((write) => write.do)).toEqual(["replaceStatus", "event"]);
  const after = migrationFixture("Running");
  const late = decideMigration(
    input(after, withState({ startTimestamp: at }), { pods: [source, target(after, "Failed")] }),
  );
  expect(late.writes[0]).toMatchObject({
    operations: [
      { op: "test" },
      { value: { failed: true, completed: true, failureReason: "Target pod is down" } },
    ],
  });
  expect(message(late)).toBe("Migration failed because target pod shutdown during migration");
});

test("a failure reported by the source fails the migration without another word to the VMI", () => {
  const migration = migrationFixture("Running");
  const vmi = withState({ startTimestamp: at, failed: true, completed: true, endTimestamp: at });
  const decision = decideMigration(input(migration, vmi, { pods: [source, target(migration)] }));
  expect(decision.writes.map((write) => write.do)).toEqual(["replaceStatus", "event"]);
  expect(message(decision)).toBe("source node reported migration failed");
});

test("a target that cannot be scheduled is given up after its time", () => {
  const migration = migrationFixture("Scheduling");
  const pod = target(migration, "Pending");
  pod.status!.conditions = [{ type: "PodScheduled", status: "False", reason: "Unschedulable" }];
  const after = (seconds: number) =>
    decideMigration(
      input(migration, runningVmi(), { pods: [source, pod], nowMs: Date.parse(at) + seconds * 1000 }),
    );
  expect(after(299)).toEqual({ writes: [], again: 1000 });
  expect(after(300).writes).toMatchObject([{ do: "delete" }]);
});

test("the target pod is told in Go's words that the guest is there", () => {
  const migration = migrationFixture("Running");
  const vmi = withState({ startTimestamp: at, targetNodeDomainReadyTimestamp: at });
  const { writes } = decideMigration(input(migration, vmi, { pods: [source, target(migration)] }));
  expect(writes).toMatchObject([{ operations: [{ value: "2026-08-22 10:34:54 +0000 UTC" }] }]);
  expect(goTime(at)).toBe("2026-08-22 10:34:54 +0000 UTC");
});

test("a target whose arrival comes with the acknowledgement is told as well, before the migration has succeeded", () => {
  const migration = migrationFixture("Running");
  const vmi = withState({ startTimestamp: at, targetNodeDomainReadyTimestamp: at, completed: true });
  const { writes } = decideMigration(input(migration, vmi, { pods: [source, target(migration)] }));
  expect(writes).toMatchObject([
    { do: "patch", kind: { kind: "Pod" } },
    { do: "replaceStatus", object: { status: { phase: "Succeeded" } } },
    { do: "event" },
  ]);
});

test("after the end: copy the account, drop the finalizer, keep five", () => {
  const state = { ...handedOver, endTimestamp: at, completed: true };
  const migration = migrationFixture("Succeeded");
  const vmi = runningVmi("node-b", { migrationState: state });
  const copied = decideMigration(input(migration, vmi)).writes[0];
  expect(copied).toMatchObject({ do: "replaceStatus", object: { status: { migrationState: state } } });
  migration.status!.migrationState = state;
  expect(decideMigration(input(migration, vmi)).writes[0]).toMatchObject({
    do: "replace",
    object: { metadata: { finalizers: [] } },
  });
  migration.metadata.finalizers = [];
  const old = Array.from({ length: 7 }, (_, i) =>
    migrationFixture("Succeeded", {
      name: `old-${i}`,
      uid: `old-${i}`,
      creationTimestamp: `2026-08-22T09:00:0${i}Z`,
    }),
  );
  const { writes } = decideMigration(input(migration, vmi, { all: [migration, ...old] }));
  expect(writes.flatMap((write) => (write.do === "delete" ? [write.ref.name] : []))).toEqual([
    "old-2",
    "old-1",
    "old-0",
  ]);
});
