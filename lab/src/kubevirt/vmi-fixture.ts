import type { Pod, VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import { launcherPod } from "./launcher-pod.ts";
import { annotations, finalizers, labels } from "./names.ts";

/** Objects for tests, as the API server would return them. */
export const at = "2026-08-22T10:34:54Z";

export function vmiFixture(
  parts: {
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
    spec?: VirtualMachineInstance["spec"];
    status?: VirtualMachineInstance["status"];
  } = {},
): VirtualMachineInstance {
  return {
    apiVersion: "kubevirt.io/v1",
    kind: "VirtualMachineInstance",
    metadata: {
      name: "vm",
      namespace: "default",
      uid: "vmi-uid",
      resourceVersion: "10",
      labels: { app: "db", ...parts.labels },
      annotations: parts.annotations ?? { [annotations.allowBridgeMigration]: "" },
      finalizers: [finalizers.vm, finalizers.vmi],
    },
    spec: parts.spec ?? {},
    ...(parts.status && { status: parts.status }),
  };
}

/** A VMI that runs on a node. */
export function runningVmi(
  node = "node-a",
  more: VirtualMachineInstance["status"] = {},
): VirtualMachineInstance {
  return vmiFixture({
    labels: { [labels.nodeName]: node },
    status: {
      phase: "Running",
      nodeName: node,
      interfaces: [{ name: "default", mac: "02:00:00:00:00:01" }],
      conditions: [{ type: "LiveMigratable", status: "True" }],
      ...more,
    },
  });
}

/** A launcher pod of the VMI; with a migration, its target pod. */
export function podFixture(
  vmi: VirtualMachineInstance,
  parts: {
    name?: string;
    node?: string;
    phase?: NonNullable<Pod["status"]>["phase"];
    migration?: VirtualMachineInstanceMigration;
  } = {},
): Pod {
  const draft = launcherPod(vmi, parts.migration);
  const name = parts.name ?? "virt-launcher-vm-aaaaa";
  const phase = parts.phase ?? "Running";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...draft.metadata, name, uid: `${name}-uid`, resourceVersion: "20", creationTimestamp: at },
    spec: { ...draft.spec, ...(parts.node !== undefined && { nodeName: parts.node }) },
    status: {
      phase,
      conditions: [{ type: "Ready", status: "True" }],
      containerStatuses: [
        { name: "compute", ready: phase === "Running", state: phase === "Running" ? { running: {} } : {} },
      ],
    },
  };
}

export function migrationFixture(
  phase?: string,
  metadata: Partial<VirtualMachineInstanceMigration["metadata"]> = {},
): VirtualMachineInstanceMigration {
  return {
    apiVersion: "kubevirt.io/v1",
    kind: "VirtualMachineInstanceMigration",
    metadata: {
      name: "move",
      namespace: "default",
      uid: "move-uid",
      resourceVersion: "30",
      creationTimestamp: at,
      labels: { [labels.vmiName]: "vm" },
      finalizers: [finalizers.migration],
      ...metadata,
    },
    spec: { vmiName: "vm" },
    ...(phase !== undefined && { status: { phase } }),
  };
}
