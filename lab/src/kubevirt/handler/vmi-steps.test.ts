import type { MigrationState, VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import type { LauncherStatus } from "../launcher-protocol.ts";
import type { PodNetwork } from "../pod-network.ts";
import { at, runningVmi, vmiFixture } from "../vmi-fixture.ts";
import {
  removeTargetLabel,
  reportEnd,
  reportRunning,
  reportSource,
  reportStarted,
  reportTarget,
  rolesOf,
} from "./vmi-steps.ts";

const network: PodNetwork = {
  mac: "02:00:00:00:00:bb",
  mtu: 1500,
  ipv4: ["10.244.0.5/32"],
  ipv6: ["fd77::5/128"],
  routes: [],
};
const domain = {
  name: "default_vm",
  uuid: "u",
  mac: "02:00:00:00:00:01",
  memoryMiB: 128,
  cpus: 1,
  mtu: 1500,
};
const state: MigrationState = {
  migrationUid: "m",
  sourceNode: "node-a",
  targetNode: "node-b",
  targetNodeAddress: "b",
};
const migrating = (more: MigrationState = {}): VirtualMachineInstance =>
  runningVmi("node-a", { migrationState: { ...state, ...more } });
const onTarget = (
  record: Partial<LauncherStatus["migration"]> = {},
  of: LauncherStatus["state"] = "running",
) => ({ state: of, domain, migration: { uid: "m", role: "target", ...record } }) as LauncherStatus;

test("a node has the parts the VMI says, and may have several", () => {
  const vmi = migrating();
  expect([...rolesOf(vmi, "node-a")]).toEqual(["current", "source"]);
  expect([...rolesOf(vmi, "node-b")]).toEqual(["target"]);
  expect([...rolesOf(vmi, "node-c")]).toEqual([]);
});

test("a running guest: phase, the guest's MAC, IPv4 only, migratable", () => {
  const vmi = reportRunning(runningVmi(), { state: "running", domain }, network, at);
  expect(vmi.status).toMatchObject({
    phase: "Running",
    interfaces: [
      { name: "default", mac: "02:00:00:00:00:01", ipAddresses: ["10.244.0.5"], infoSource: "domain" },
    ],
    conditions: [{ type: "LiveMigratable", status: "True" }],
  });
  expect(reportRunning(vmi, { state: "running", domain }, network, at)).toBe(vmi);
});

test("the target reports in KubeVirt's order, each step its own write", () => {
  const record = { readyTimestamp: at, endTimestamp: at };
  const changes: (keyof MigrationState | "nodeName")[][] = [];
  let vmi = migrating();
  for (let step = 0; step < 10; step++) {
    const next = reportTarget(vmi, "node-b", onTarget(record), network);
    if (next === vmi) break;
    const before = { ...vmi.status?.migrationState, nodeName: vmi.status?.nodeName };
    const after = { ...next.status?.migrationState, nodeName: next.status?.nodeName };
    changes.push(
      (Object.keys(after) as (keyof typeof after)[]).filter((key) => after[key] !== before[key]) as (
        | keyof MigrationState
        | "nodeName"
      )[],
    );
    vmi = next;
  }
  expect(changes).toEqual([
    ["targetNodeDomainDetected"],
    ["targetNodeDomainReadyTimestamp"],
    ["endTimestamp", "nodeName"],
    ["completed"],
  ]);
});

test("the ack moves node name and node label in one write, and keeps the guest's MAC", () => {
  const ready = migrating({ targetNodeDomainDetected: true, targetNodeDomainReadyTimestamp: at });
  const acked = reportTarget(ready, "node-b", onTarget({ readyTimestamp: at, endTimestamp: at }), network);
  expect(acked.status?.nodeName).toBe("node-b");
  expect(acked.metadata.labels).toMatchObject({ "kubevirt.io/nodeName": "node-b" });
  expect(acked.status?.interfaces?.[0]).toMatchObject({ mac: "02:00:00:00:00:01" });
});

test("an incoming domain is detected, which says nothing about where the guest runs", () => {
  const detected = reportTarget(migrating(), "node-b", onTarget({}, "incoming"), network);
  expect(detected.status?.migrationState).toMatchObject({ targetNodeDomainDetected: true });
  expect(reportTarget(detected, "node-b", onTarget({}, "incoming"), network)).toBe(detected);
});

test("a lost ack leaves the node name behind for ever", () => {
  const vmi = migrating({
    targetNodeDomainDetected: true,
    targetNodeDomainReadyTimestamp: at,
    migrationConfiguration: { faults: { loseAck: true } },
  });
  expect(reportTarget(vmi, "node-b", onTarget({ readyTimestamp: at, endTimestamp: at }), network)).toBe(vmi);
});

test("a launcher's memory of an earlier migration is not reported into the next", () => {
  const vmi = migrating();
  const earlier = onTarget({ uid: "earlier", readyTimestamp: at });
  expect(reportTarget(vmi, "node-b", earlier, network)).toBe(vmi);
  expect(
    reportSource(vmi, { state: "running", migration: { uid: "earlier", role: "source", failed: true } }, at),
  ).toBe(vmi);
});

test("a failed migration is failed and completed, and the node stays", () => {
  const status: LauncherStatus = {
    state: "running",
    migration: { uid: "m", role: "source", failed: true, aborted: true, reason: "why", endTimestamp: at },
  };
  const failed = reportSource(migrating({ startTimestamp: at }), status, at);
  expect(failed.status).toMatchObject({
    phase: "Running",
    nodeName: "node-a",
    migrationState: { failed: true, completed: true, abortStatus: "Succeeded", failureReason: "why" },
  });
  expect(reportSource(failed, status, at)).toBe(failed);
});

test("a post-copy is one from its switch on, and node and end stay as they are until all memory is there", () => {
  const switched: LauncherStatus = {
    state: "running",
    migration: { uid: "m", role: "source", hasSwitched: true },
  };
  const vmi = reportSource(migrating({ mode: "PreCopy" }), switched, at);
  expect(vmi.status?.migrationState).toMatchObject({ mode: "PostCopy" });
  expect(reportSource(vmi, switched, at)).toBe(vmi);
  const detected = reportTarget(vmi, "node-b", onTarget({ readyTimestamp: at }), network);
  const ready = reportTarget(detected, "node-b", onTarget({ readyTimestamp: at }), network);
  expect(ready.status?.migrationState).toMatchObject({ targetNodeDomainReadyTimestamp: at });
  expect(reportTarget(ready, "node-b", onTarget({ readyTimestamp: at }), network)).toBe(ready);
  expect(ready.status).toMatchObject({ phase: "Running", nodeName: "node-a" });
});

test("a post-copy that breaks after its switch ends the VMI in the write that calls the migration failed", () => {
  const broken: LauncherStatus = {
    state: "crashed",
    migration: { uid: "m", role: "source", hasSwitched: true, failed: true, reason: "why", endTimestamp: at },
  };
  expect(reportSource(migrating({ mode: "PostCopy" }), broken, at).status).toMatchObject({
    phase: "Failed",
    migrationState: { failed: true, completed: true, failureReason: "why" },
  });
});

test("the start carries the mode", () => {
  expect(reportStarted(migrating(), at).status?.migrationState).toMatchObject({
    startTimestamp: at,
    mode: "PreCopy",
  });
});

test("a guest that powers off succeeded, one that dies failed, and an ended VMI stays as it is", () => {
  expect(reportEnd(runningVmi(), { state: "shutoff" }, at).status?.phase).toBe("Succeeded");
  expect(reportEnd(runningVmi(), { state: "crashed" }, at).status?.phase).toBe("Failed");
  const ended = vmiFixture({ status: { phase: "Failed" } });
  expect(reportEnd(ended, { state: "shutoff" }, at)).toBe(ended);
});

test("the target's label goes at the end", () => {
  const vmi = runningVmi();
  vmi.metadata.labels!["kubevirt.io/migrationTargetNodeName"] = "node-b";
  expect(removeTargetLabel(vmi).metadata.labels).not.toHaveProperty(["kubevirt.io/migrationTargetNodeName"]);
  expect(vmi.metadata.labels).toHaveProperty(["kubevirt.io/migrationTargetNodeName"]);
});
