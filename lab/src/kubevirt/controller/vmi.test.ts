import type { Pod, VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import { at, migrationFixture, podFixture, runningVmi, vmiFixture } from "../vmi-fixture.ts";
import type { Decision } from "./decision.ts";
import { currentPod, decideVmi } from "./vmi.ts";

/** virt-controller's decision when it has known everything for long. */
const decide = (vmi: VirtualMachineInstance, pods: Pod[] = []) =>
  decideVmi({ vmi, pods, now: at, ageOf: () => Number.POSITIVE_INFINITY });
const replaced = ({ writes }: Decision): VirtualMachineInstance => {
  const write = writes.find((candidate) => candidate.do === "replace");
  if (write?.do !== "replace") throw new Error("nothing was replaced");
  return write.object as VirtualMachineInstance;
};

test("a new VMI becomes Pending with the default interface on the pod network", () => {
  const admitted = replaced(decide(vmiFixture()));
  expect(admitted.status?.phase).toBe("Pending");
  expect(admitted.spec.domain?.devices?.interfaces).toEqual([{ name: "default", bridge: {} }]);
  expect(admitted.spec.networks).toEqual([{ name: "default", pod: {} }]);
});

test("a pending VMI gets one pod, and is Scheduling once that is there", () => {
  const pending = vmiFixture({ status: { phase: "Pending" } });
  expect(decide(pending).writes.map((write) => write.do)).toEqual(["createPod", "event"]);
  const pod = podFixture(pending, { phase: "Pending" });
  const scheduling = replaced(decide(pending, [pod]));
  expect(scheduling.status).toMatchObject({ phase: "Scheduling", activePods: { [pod.metadata.uid!]: "" } });
});

test("once compute runs, node label and node name are written together", () => {
  const vmi = vmiFixture({ status: { phase: "Scheduling" } });
  const scheduled = replaced(decide(vmi, [podFixture(vmi, { node: "node-a" })]));
  expect(scheduled.status).toMatchObject({
    phase: "Scheduled",
    nodeName: "node-a",
    migrationTransport: "Unix",
  });
  expect(scheduled.metadata.labels).toMatchObject({ "kubevirt.io/nodeName": "node-a" });
});

test("only the current pod gets the readiness gate; a migration's target waits for the node's hand-over", () => {
  const vmi = runningVmi("node-a");
  const source = podFixture(vmi, { node: "node-a" });
  const target = podFixture(vmi, {
    node: "node-b",
    name: "virt-launcher-vm-bbbbb",
    migration: migrationFixture(),
  });
  const patched = decide(vmi, [source, target]).writes.flatMap((write) =>
    write.do === "patch" && write.subresource === "status" ? [write.ref.name] : [],
  );
  expect(patched).toEqual([source.metadata.name]);
  const moved = runningVmi("node-b");
  const afterwards = decide(moved, [source, target]).writes.flatMap((write) =>
    write.do === "patch" ? [write.ref.name] : [],
  );
  expect(new Set(afterwards)).toEqual(new Set([target.metadata.name]));
});

test("real-cluster 1: a source pod that ends long before the acknowledgement does not end the VMI, which is not Ready", () => {
  const vmi = runningVmi("node-a", { migrationState: { sourceNode: "node-a", targetNode: "node-b" } });
  const source = podFixture(vmi, { node: "node-a", phase: "Succeeded" });
  const target = podFixture(vmi, { node: "node-b", name: "b", migration: migrationFixture() });
  const { status } = replaced(decide(vmi, [source, target]));
  expect(status?.phase).toBe("Running");
  expect(status?.conditions).toContainEqual({ type: "Ready", status: "False", reason: "PodTerminating" });
});

test("real-cluster 6: a guest that left and died on the target fails the VMI, though the source pod ended well", () => {
  const migrationState = { sourceNode: "node-a", targetNode: "node-b", failed: true, completed: true };
  const vmi = runningVmi("node-a", { migrationState });
  const source = podFixture(vmi, { node: "node-a", phase: "Succeeded" });
  expect(replaced(decide(vmi, [source])).status?.phase).toBe("Failed");
});

test("a pod that finishes by itself ends the VMI the same way", () => {
  for (const phase of ["Succeeded", "Failed"] as const) {
    const vmi = runningVmi("node-a");
    expect(replaced(decide(vmi, [podFixture(vmi, { node: "node-a", phase })])).status?.phase).toBe(phase);
  }
});

test("a pod that vanishes fails the VMI", () => {
  expect(replaced(decide(runningVmi("node-a"))).status?.phase).toBe("Failed");
});

test("a deleted VMI deletes its pods, ends, deletes what is left of them, and only then goes", () => {
  const vmi = runningVmi("node-a");
  vmi.metadata.deletionTimestamp = at;
  const pod = podFixture(vmi, { node: "node-a" });
  expect(decide(vmi, [pod]).writes).toMatchObject([{ do: "delete", uid: pod.metadata.uid }]);
  pod.metadata.deletionTimestamp = at;
  expect(decide(vmi, [pod]).writes).toEqual([]);
  const ended = replaced(decide(vmi, [podFixture(vmi, { node: "node-a", phase: "Succeeded" })]));
  expect(ended.status?.phase).toBe("Succeeded");
  expect(decide(ended, [podFixture(vmi, { node: "node-a", phase: "Succeeded" })]).writes).toMatchObject([
    { do: "delete" },
  ]);
  expect(replaced(decide(ended)).metadata.finalizers).toEqual([]);
});

test("after a move there and back the living pod on the node is the current one", () => {
  const vmi = runningVmi("node-a");
  const first = podFixture(vmi, { node: "node-a", name: "first", phase: "Succeeded" });
  const third = podFixture(vmi, { node: "node-a", name: "third", migration: migrationFixture() });
  expect(currentPod(vmi, [first, third])?.metadata.name).toBe("third");
});

test("nothing is written twice", () => {
  let vmi = runningVmi("node-a");
  const pod = podFixture(vmi, { node: "node-a" });
  vmi = replaced(decide(vmi, [pod]));
  pod.status!.conditions!.push({ type: "kubevirt.io/virtual-machine-unpaused", status: "True" });
  expect(decide(vmi, [pod]).writes).toEqual([]);
});
