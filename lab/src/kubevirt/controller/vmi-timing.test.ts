/** What virt-controller takes its time for: numbers 5 and 8 of what was seen of the real KubeVirt. */
import type { Pod, VirtualMachineInstance } from "@fairlead/api";
import { expect, test } from "vitest";
import { type Faults, faultsAnnotation } from "../faults.ts";
import { at, migrationFixture, podFixture, runningVmi, vmiFixture } from "../vmi-fixture.ts";
import type { Decision } from "./decision.ts";
import { decideVmi } from "./vmi.ts";

const withFaults = (vmi: VirtualMachineInstance, faults: Faults): VirtualMachineInstance => {
  vmi.metadata.annotations = { ...vmi.metadata.annotations, [faultsAnnotation]: JSON.stringify(faults) };
  return vmi;
};
const decide = (vmi: VirtualMachineInstance, pods: Pod[], ageMs: number) =>
  decideVmi({ vmi, pods, now: at, ageOf: () => ageMs });
const statusIn = ({ writes }: Decision) =>
  writes.flatMap((write) =>
    write.do === "replace" ? [(write.object as VirtualMachineInstance).status ?? {}] : [],
  )[0];

test("real-cluster 8: a pod is in activePods only once virt-controller has listed it, first without a node, then with", () => {
  const vmi = withFaults(vmiFixture({ status: { phase: "Scheduling" } }), { activePodsMs: 1_300 });
  const made = podFixture(vmi, { phase: "Pending" });
  expect(decide(vmi, [made], 300)).toEqual({ writes: [], again: 1_000 });
  const listed = statusIn(decide(vmi, [made], 1_300));
  expect(listed?.activePods).toEqual({ [made.metadata.uid!]: "" });
  vmi.status!.activePods = listed!.activePods!;
  const scheduled = podFixture(vmi, { phase: "Pending", node: "node-a" });
  expect(statusIn(decide(vmi, [scheduled], 0))?.activePods).toEqual({ [made.metadata.uid!]: "node-a" });
});

test.each([
  [true, ["patch", "replace"]],
  [false, ["replace", "patch"]],
])("real-cluster 8: the pod is written before the VMI: %s", (podBeforeVmi, order) => {
  const vmi = withFaults(runningVmi("node-a"), { podBeforeVmi });
  const { writes } = decide(vmi, [podFixture(vmi, { node: "node-a" })], Number.POSITIVE_INFINITY);
  expect(writes.map((write) => write.do)).toEqual(order);
});

test("real-cluster 5: the target pod's gate opens a while after the acknowledgement, and the VMI is not Ready meanwhile", () => {
  const migration = migrationFixture();
  const vmi = runningVmi("node-b", {
    conditions: [{ type: "Ready", status: "True" }],
    migrationState: {
      migrationUid: migration.metadata.uid!,
      sourceNode: "node-a",
      targetNode: "node-b",
      endTimestamp: at,
      migrationConfiguration: { faults: { podReadyMs: 2_000, notReadyMs: 500 } },
    },
  });
  const pod = podFixture(vmi, { node: "node-b", migration });
  vmi.status!.activePods = { [pod.metadata.uid!]: "node-b" };
  pod.metadata.labels!["kubevirt.io/nodeName"] = "node-b";
  pod.status!.conditions = [{ type: "Ready", status: "False", reason: "ReadinessGatesNotReady" }];
  const readyIn = (decision: Decision) =>
    statusIn(decision)?.conditions?.find(({ type }) => type === "Ready") ?? "as before";
  const opens = ({ writes }: Decision) =>
    writes.some((write) => write.do === "patch" && write.subresource === "status");

  const atOnce = decide(vmi, [pod], 0);
  expect([readyIn(atOnce), opens(atOnce), atOnce.again]).toEqual(["as before", false, 1_500]);
  const later = decide(vmi, [pod], 1_500);
  const notReady = { type: "Ready", status: "False", reason: "ReadinessGatesNotReady" };
  expect([readyIn(later), opens(later), later.again]).toEqual([notReady, false, 500]);
  const atLast = decide(vmi, [pod], 2_000);
  expect([opens(atLast), atLast.again]).toEqual([true, undefined]);
});
