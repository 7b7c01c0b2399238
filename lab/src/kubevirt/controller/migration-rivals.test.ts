/** Number 4 of what was seen of the real KubeVirt: two migrations of one VMI that live at once. */
import { expect, test } from "vitest";
import { at, migrationFixture, podFixture, runningVmi } from "../vmi-fixture.ts";
import { decideMigration } from "./migration.ts";
import type { MigrationInput } from "./migration-input.ts";

const first = migrationFixture("Running", { name: "first", uid: "first-uid" });
const second = (phase?: string) => migrationFixture(phase, { name: "second", uid: "second-uid" });
const source = podFixture(runningVmi(), { node: "node-a" });
const target = podFixture(runningVmi(), { node: "node-b", name: "target", migration: first });

function input(migration: MigrationInput["migration"], more: Partial<MigrationInput>): MigrationInput {
  const base = { migration, vmi: runningVmi(), pods: [source, target], all: [first, migration] };
  return { ...base, sourceNodeOf: () => undefined, now: at, nowMs: Date.parse(at), ...more };
}
const movingWithFirst = runningVmi("node-a", {
  migrationState: { migrationUid: "first-uid", sourceNode: "node-a", targetNode: "node-b" },
});

test("real-cluster 4: the second is accepted as long as the VMI was handed over to none", () => {
  const { writes } = decideMigration(input(second(), {}));
  expect(writes).toMatchObject([
    {
      do: "replaceStatus",
      object: { status: { phase: "Pending", migrationState: { sourcePod: source.metadata.name } } },
    },
  ]);
});

test("one that virt-controller sees only after the hand-over fails", () => {
  const { writes } = decideMigration(input(second(), { vmi: movingWithFirst }));
  expect(writes).toMatchObject([
    { do: "replaceStatus", object: { status: { phase: "Failed" } } },
    { message: "VMI is not eligible for migration because another migration job is in progress." },
  ]);
});

test("real-cluster 4: while the first lives the second waits as Pending, and keeps the source pod it knows", () => {
  const waiting = second("Pending");
  waiting.status = { ...waiting.status, migrationState: { sourcePod: source.metadata.name } };
  expect(decideMigration(input(waiting, { vmi: movingWithFirst }))).toEqual({ writes: [], again: 1000 });
});

test("real-cluster 4: only virt-controller's next look replaces the source pod, and the hand-over uses that", () => {
  const waiting = second("Pending");
  waiting.status = { ...waiting.status, migrationState: { sourcePod: source.metadata.name } };
  const moved = runningVmi("node-b", {
    migrationState: {
      migrationUid: "first-uid",
      sourceNode: "node-a",
      targetNode: "node-b",
      completed: true,
    },
  });
  const { writes } = decideMigration(input(waiting, { vmi: moved }));
  expect(writes).toMatchObject([
    {
      do: "replaceStatus",
      object: { status: { phase: "Pending", migrationState: { sourcePod: "target" } } },
    },
  ]);
  const scheduled = second("Scheduled");
  scheduled.status = { ...scheduled.status, migrationState: { sourcePod: "target" } };
  const next = podFixture(runningVmi(), { node: "node-c", name: "next", migration: scheduled });
  const handOver = decideMigration(input(scheduled, { vmi: moved, pods: [source, target, next] })).writes[0];
  expect(handOver).toMatchObject({
    operations: [
      { op: "test" },
      { value: { sourcePod: "target", sourceNode: "node-b", targetPod: "next" } },
      {},
    ],
  });
});
