import type { Condition, VirtualMachineInstance, VirtualMachineInterface } from "@fairlead/api";
import { annotations } from "./names.ts";

const message =
  "cannot migrate VMI which does not use masquerade or a migratable plugin to connect to the pod network";

/** The VMI's interface on the pod network. Without any interface KubeVirt adds one with the bridge binding. */
export function podInterface(vmi: VirtualMachineInstance): VirtualMachineInterface | undefined {
  const interfaces = vmi.spec.domain?.devices?.interfaces ?? [];
  const networks = vmi.spec.networks ?? [];
  if (interfaces.length === 0 && networks.length === 0) return { name: "default", bridge: {} };
  const network = networks.find(({ pod }) => pod !== undefined);
  return interfaces.find(({ name }) => name === network?.name);
}

/** KubeVirt's LiveMigratable condition, as far as the network decides it (KubeVirt 1.8 and later). */
export function liveMigratable(vmi: VirtualMachineInstance): Condition {
  const bridge = podInterface(vmi)?.bridge !== undefined;
  const allowed = vmi.metadata.annotations?.[annotations.allowBridgeMigration] !== undefined;
  if (!bridge || allowed) return { type: "LiveMigratable", status: "True" };
  return { type: "LiveMigratable", status: "False", reason: "InterfaceNotLiveMigratable", message };
}
