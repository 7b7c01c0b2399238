import { expect, test } from "vitest";
import { launcherPod, vmiIdOf } from "./launcher-pod.ts";
import { migrationFixture, runningVmi, vmiFixture } from "./vmi-fixture.ts";

test("the owner is the VMI alone, of a migration's target pod as well", () => {
  for (const pod of [launcherPod(vmiFixture()), launcherPod(runningVmi(), migrationFixture())]) {
    expect(pod.metadata.ownerReferences).toEqual([
      {
        apiVersion: "kubevirt.io/v1",
        kind: "VirtualMachineInstance",
        name: "vm",
        uid: "vmi-uid",
        controller: true,
        blockOwnerDeletion: true,
      },
    ]);
  }
});

test("a first pod carries the VMI's labels and KubeVirt's own", () => {
  expect(launcherPod(vmiFixture()).metadata.labels).toEqual({
    app: "db",
    "kubevirt.io": "virt-launcher",
    "kubevirt.io/created-by": "vmi-uid",
    "vm.kubevirt.io/name": "vm",
    "vmi.kubevirt.io/id": "vm",
  });
});

test("a target pod names its migration, and still the node the guest is leaving", () => {
  const { metadata } = launcherPod(runningVmi("node-a"), migrationFixture());
  expect(metadata.labels).toMatchObject({
    "kubevirt.io/migrationJobUID": "move-uid",
    "kubevirt.io/nodeName": "node-a",
  });
  expect(metadata.annotations).toMatchObject({ "kubevirt.io/migrationJobName": "move" });
});

test("a target pod keeps away from nodes that have a pod of the VMI", () => {
  expect(launcherPod(vmiFixture()).spec.affinity).toBeUndefined();
  expect(launcherPod(runningVmi(), migrationFixture()).spec.affinity).toMatchObject({
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { "kubevirt.io/created-by": "vmi-uid" } } },
      ],
    },
  });
});

test("a migration's node selector is added, the VMI's own wins", () => {
  const migration = migrationFixture();
  migration.spec.addedNodeSelector = { zone: "b", disk: "fast" };
  const vmi = runningVmi();
  vmi.spec.nodeSelector = { zone: "a" };
  expect(launcherPod(vmi, migration).spec.nodeSelector).toEqual({
    zone: "a",
    disk: "fast",
    "kubevirt.io/schedulable": "true",
  });
});

test("a VMI's annotations are inherited, kubectl's and the API version's are not", () => {
  const vmi = vmiFixture({
    annotations: {
      "kubectl.kubernetes.io/last-applied-configuration": "{}",
      "kubevirt.io/latest-observed-api-version": "v1",
      "cni.projectcalico.org/ipAddrs": "[]",
    },
  });
  const { annotations } = launcherPod(vmi).metadata;
  expect(annotations).toHaveProperty(["cni.projectcalico.org/ipAddrs"]);
  expect(annotations).not.toHaveProperty(["kubectl.kubernetes.io/last-applied-configuration"]);
  expect(annotations).not.toHaveProperty(["kubevirt.io/latest-observed-api-version"]);
});

test("a name too long for a label is cut and told apart by a hash", () => {
  const long = "x".repeat(64);
  expect(vmiIdOf(long)).toHaveLength(63);
  expect(vmiIdOf(long)).not.toBe(vmiIdOf(`${long}y`));
  expect(vmiIdOf("x".repeat(63))).toBe("x".repeat(63));
});
