import type { VirtualMachine, VirtualMachineInstance } from "@fairlead/api";
import { expect, it } from "vitest";
import { decideVm, type RunStrategy } from "../controller/vm.ts";
import { finalizers } from "../names.ts";
import { runningVmi, vmiFixture } from "../vmi-fixture.ts";
import { decideAction, type VmAction } from "./actions.ts";

const vmWith = (spec: VirtualMachine["spec"]): VirtualMachine => ({
  apiVersion: "kubevirt.io/v1",
  kind: "VirtualMachine",
  metadata: { name: "vm", namespace: "default", uid: "vm-uid", finalizers: [finalizers.vm] },
  spec,
  status: {},
});

/** The value that is written, or why nothing is. */
function outcome(action: VmAction, spec: VirtualMachine["spec"], vmi?: VirtualMachineInstance): unknown {
  const decision = decideAction(action, { vm: vmWith(spec), vmi });
  if ("conflict" in decision) return decision.conflict;
  return decision.writes.map((write) =>
    write.do === "patch" ? write.operations.map(({ path, value }) => [path, value]) : write.do,
  )[0];
}

const requests = (...given: object[]) => [["/status/stateChangeRequests", given]];
const strategy = (value: RunStrategy) => [["/spec/runStrategy", value]];
const stop = { action: "Stop", uid: "vmi-uid" };
const start = { action: "Start" };

it.each<[VmAction, RunStrategy, isRunning: boolean, unknown]>([
  ["start", "Halted", false, strategy("Always")],
  ["start", "Manual", false, requests(start)],
  ["start", "RerunOnFailure", false, requests(start)],
  ["start", "Always", false, "Always does not support manual start requests"],
  ["start", "Once", false, "Once does not support manual start requests"],
  ["start", "Manual", true, "VM is already running"],
  ["stop", "Always", true, strategy("Halted")],
  ["stop", "Once", true, strategy("Halted")],
  ["stop", "Manual", true, requests(stop)],
  ["stop", "RerunOnFailure", true, requests(stop)],
  ["stop", "Always", false, "VM is not running"],
  ["stop", "Halted", true, "VM is not running"],
  ["restart", "Always", true, requests(stop, start)],
  ["restart", "Manual", true, requests(stop, start)],
  ["restart", "Manual", false, "VM is not running"],
  ["restart", "Halted", true, "Halted does not support manual restart requests"],
  ["restart", "Once", true, "Once does not support manual restart requests"],
  ["migrate", "Always", true, "createMigration"],
  ["migrate", "Always", false, "VM is not running"],
])("%s under %s, running: %s", (action, runStrategy, isRunning, expected) => {
  expect(outcome(action, { runStrategy }, isRunning ? runningVmi() : undefined)).toEqual(expected);
});

it("the deprecated `running` is changed where it is in use", () => {
  expect(outcome("start", { running: false })).toEqual([["/spec/running", true]]);
  expect(outcome("stop", { running: true }, runningVmi())).toEqual([["/spec/running", false]]);
});

it("a VMI that has ended does not count as running, and one that starts cannot migrate yet", () => {
  expect(outcome("start", { runStrategy: "Manual" }, vmiFixture({ status: { phase: "Failed" } }))).toEqual(
    requests(start),
  );
  expect(outcome("migrate", { runStrategy: "Always" }, vmiFixture({ status: { phase: "Scheduling" } }))).toBe(
    "VM is not running",
  );
});

it("a migration takes the node selector along", () => {
  const addedNodeSelector = { "kubernetes.io/hostname": "node2" };
  const decision = decideAction("migrate", {
    vm: vmWith({ runStrategy: "Always" }),
    vmi: runningVmi(),
    addedNodeSelector,
  });
  expect(decision).toMatchObject({
    writes: [
      {
        migration: {
          metadata: { generateName: "kubevirt-migrate-vm-" },
          spec: { vmiName: "vm", addedNodeSelector },
        },
      },
    ],
  });
});

it("the start of a restart waits until what is to be stopped is gone", () => {
  const vm = {
    ...vmWith({ runStrategy: "Manual" }),
    status: { stateChangeRequests: [stop, start] },
  } as VirtualMachine;
  const statusAfter = (vmi?: VirtualMachineInstance) =>
    decideVm({ vm, vmi }).writes.flatMap((write) => (write.do === "replaceStatus" ? [write.object] : []))[0];
  expect(statusAfter(runningVmi())).toMatchObject({ status: { stateChangeRequests: [stop, start] } });
  expect(decideVm({ vm, vmi: undefined }).writes.map((write) => write.do)).toEqual([
    "createVmi",
    "replaceStatus",
  ]);
  expect(statusAfter()).not.toHaveProperty("status.stateChangeRequests");
});
