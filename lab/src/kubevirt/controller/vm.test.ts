import type { VirtualMachine, VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import { finalizers } from "../names.ts";
import { runningVmi, vmiFixture } from "../vmi-fixture.ts";
import { decideVm, type RunStrategy, vmiOf, wishOf } from "./vm.ts";

const ended = (phase: "Succeeded" | "Failed"): VirtualMachineInstance => vmiFixture({ status: { phase } });
const none = undefined;
const strategies: [RunStrategy, VirtualMachineInstance | undefined, "start" | "stop" | "leave"][] = [
  ["Always", none, "start"],
  ["Always", runningVmi(), "leave"],
  ["Always", ended("Succeeded"), "stop"],
  ["Always", ended("Failed"), "stop"],
  ["RerunOnFailure", none, "start"],
  ["RerunOnFailure", ended("Failed"), "stop"],
  ["RerunOnFailure", ended("Succeeded"), "leave"],
  ["Manual", none, "leave"],
  ["Manual", runningVmi(), "leave"],
  ["Manual", ended("Failed"), "leave"],
  ["Halted", none, "leave"],
  ["Halted", runningVmi(), "stop"],
  ["Once", none, "start"],
  ["Once", ended("Failed"), "leave"],
];

test.each(strategies)("%s: with a VMI %o the wish is %s", (strategy, vmi, wish) => {
  expect(wishOf(strategy, vmi, [])).toBe(wish);
});

test("start and stop requests are obeyed under Manual", () => {
  expect(wishOf("Manual", undefined, [{ action: "Start" }])).toBe("start");
  expect(wishOf("Manual", runningVmi(), [{ action: "Stop", uid: "vmi-uid" }])).toBe("stop");
});

test("a stop request for an earlier VMI is not obeyed", () => {
  expect(wishOf("Always", runningVmi(), [{ action: "Stop", uid: "earlier" }])).toBe("leave");
});

const vm: VirtualMachine = {
  apiVersion: "kubevirt.io/v1",
  kind: "VirtualMachine",
  metadata: {
    name: "vm",
    namespace: "default",
    uid: "vm-uid",
    generation: 3,
    labels: { team: "a" },
    finalizers: [finalizers.vm],
  },
  spec: {
    runStrategy: "Always",
    template: { metadata: { labels: { app: "db" }, annotations: { note: "x" } }, spec: {} },
  },
};

test("a VMI gets the template's labels and annotations, never the VM's own", () => {
  const { metadata } = vmiOf(vm);
  expect(metadata.labels).toEqual({ app: "db" });
  expect(metadata.annotations).toEqual({ note: "x", "kubevirt.io/vm-generation": "3" });
  expect(metadata.ownerReferences?.[0]).toMatchObject({
    kind: "VirtualMachine",
    uid: "vm-uid",
    controller: true,
  });
});

test("a VM that should run gets its VMI, and says that it starts", () => {
  const { writes } = decideVm({ vm, vmi: undefined });
  expect(writes.map((write) => write.do)).toEqual(["createVmi", "replaceStatus"]);
});

test("a VM is held by its finalizer until its VMI is gone", () => {
  const dying = { ...vm, metadata: { ...vm.metadata, deletionTimestamp: "2026-08-22T10:00:00Z" } };
  expect(decideVm({ vm: dying, vmi: runningVmi() }).writes).toMatchObject([{ do: "delete", uid: "vmi-uid" }]);
  expect(decideVm({ vm: dying, vmi: undefined }).writes).toMatchObject([
    { do: "replace", object: { metadata: { finalizers: [] } } },
  ]);
});

test("a VM migrates from the start to the end of its VMI's migration", () => {
  const migrating = runningVmi("node-a", { migrationState: { startTimestamp: "2026-08-22T10:00:00Z" } });
  const status = (vmi: VirtualMachineInstance) => decideVm({ vm, vmi }).writes[0];
  expect(status(migrating)).toMatchObject({ object: { status: { printableStatus: "Migrating" } } });
  migrating.status!.migrationState!.endTimestamp = "2026-08-22T10:00:01Z";
  expect(status(migrating)).toMatchObject({ object: { status: { printableStatus: "Running" } } });
});

test("a status that is already so is not written again", () => {
  const [create, write] = decideVm({ vm, vmi: undefined }).writes;
  expect(create?.do).toBe("createVmi");
  const settled = write?.do === "replaceStatus" ? (write.object as VirtualMachine) : vm;
  const running = decideVm({ vm: settled, vmi: runningVmi() }).writes[0];
  const quiet = running?.do === "replaceStatus" ? (running.object as VirtualMachine) : vm;
  expect(decideVm({ vm: quiet, vmi: runningVmi() }).writes).toEqual([]);
});
