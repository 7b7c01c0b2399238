import type { MigrationState, VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import { planOf } from "../faults.ts";
import type { LauncherStatus } from "../launcher-protocol.ts";
import type { PodNetwork } from "../pod-network.ts";
import { at, runningVmi, vmiFixture } from "../vmi-fixture.ts";
import {
  forgetInterface,
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

/** The names of what changed in the migration's state and in the place of the VMI, write by write. */
function writesOf(vmi: VirtualMachineInstance, launcher: LauncherStatus): string[] {
  const read = ({ status, metadata }: VirtualMachineInstance) => ({
    ...status?.migrationState,
    nodeName: status?.nodeName,
    label: metadata.labels?.["kubevirt.io/nodeName"],
  });
  const next = reportTarget(vmi, "node-b", launcher, true);
  if (next === vmi) return [];
  const [before, after] = [read(vmi), read(next)];
  const changed = (Object.keys(after) as (keyof typeof after)[]).filter(
    (key) => JSON.stringify(after[key]) !== JSON.stringify(before[key]),
  );
  return [changed.join(" "), ...writesOf(next, launcher)];
}
const arrived = onTarget({ readyTimestamp: at, endTimestamp: at });

test("real-cluster 2: domain, arrival, end, node name and label come in one write; then the migration is completed", () => {
  expect(writesOf(migrating({ startTimestamp: at }), arrived)).toEqual([
    "targetNodeDomainDetected targetNodeDomainReadyTimestamp endTimestamp nodeName label",
    "completed",
  ]);
});

test("real-cluster 2: before that the target says nothing, whether the guest is still coming or has been here for long", () => {
  expect(writesOf(migrating(), onTarget({}, "incoming"))).toEqual([]);
  expect(writesOf(migrating(), onTarget({ readyTimestamp: at }))).toEqual([]);
  const vmi = migrating();
  expect(reportTarget(vmi, "node-b", arrived, false)).toBe(vmi);
});

test("separate reports say that the domain is there and that it runs as soon as that is so", () => {
  const apart = { migrationConfiguration: { faults: { separateReports: true } } };
  expect(writesOf(migrating(apart), onTarget({}, "incoming"))).toEqual(["targetNodeDomainDetected"]);
  const detected = migrating({ ...apart, targetNodeDomainDetected: true });
  expect(writesOf(detected, onTarget({ readyTimestamp: at }))).toEqual(["targetNodeDomainReadyTimestamp"]);
});

test("real-cluster 2: a start the source has not reported yet comes with the acknowledgement", () => {
  const acked = reportTarget(
    migrating(),
    "node-b",
    onTarget({ startTimestamp: "2026-08-22T10:34:50Z", readyTimestamp: at, endTimestamp: at }),
    true,
  );
  expect(acked.status?.migrationState?.startTimestamp).toBe("2026-08-22T10:34:50Z");
});

test("real-cluster 3: the acknowledgement says nothing of interfaces; the target's report of its guest does", () => {
  const left = forgetInterface(migrating(), planOf("seed", { forgetsMac: true }));
  const acked = reportTarget(left, "node-b", arrived, true);
  expect(acked.status?.interfaces).toEqual([{ name: "default", podInterfaceName: "eth0" }]);
  expect(reportRunning(acked, arrived, network, at).status?.interfaces).toMatchObject([
    { mac: "02:00:00:00:00:01", ipAddress: "10.244.0.5", infoSource: "domain", linkState: "up" },
  ]);
});

test.each([
  [
    false,
    {
      name: "default",
      mac: domain.mac,
      podInterfaceName: "eth0",
      infoSource: "domain",
      queueCount: 1,
      linkState: "up",
    },
  ],
  [true, { name: "default", podInterfaceName: "eth0" }],
])(
  "real-cluster 3: a source whose guest has left forgets its addresses, and the MAC: %s",
  (forgetsMac, left) => {
    const vmi = reportRunning(migrating(), { state: "running", domain }, network, at);
    const plan = planOf("seed", { forgetsMac });
    const forgotten = forgetInterface(vmi, plan);
    expect(forgotten.status?.interfaces).toEqual([left]);
    expect(forgetInterface(forgotten, plan)).toBe(forgotten);
  },
);

test("real-cluster 6: a guest that dies on the target before the acknowledgement is not acknowledged", () => {
  const dead = onTarget({ readyTimestamp: at, endTimestamp: at }, "crashed");
  expect(writesOf(migrating(), dead)).toEqual([]);
});

test("a lost acknowledgement leaves the node name behind for ever", () => {
  const lost = { migrationConfiguration: { faults: { loseAck: true } } };
  expect(writesOf(migrating(lost), arrived)).toEqual([]);
});

test("a launcher's memory of an earlier migration is not reported into the next", () => {
  const vmi = migrating();
  const earlier = onTarget({ uid: "earlier", readyTimestamp: at });
  expect(reportTarget(vmi, "node-b", earlier, true)).toBe(vmi);
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
  // The guest runs on the target by now: nothing says so.
  expect(reportTarget(vmi, "node-b", onTarget({ readyTimestamp: at }), true)).toBe(vmi);
  expect(vmi.status).toMatchObject({ phase: "Running", nodeName: "node-a" });
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

test("the start carries the mode, is written once, and makes no pre-copy of a post-copy", () => {
  const started = reportStarted(migrating(), at);
  expect(started.status?.migrationState).toMatchObject({ startTimestamp: at, mode: "PreCopy" });
  expect(reportStarted(started, "later")).toBe(started);
  expect(reportStarted(migrating({ mode: "PostCopy" }), at).status?.migrationState?.mode).toBe("PostCopy");
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
