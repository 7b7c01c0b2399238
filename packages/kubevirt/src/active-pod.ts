import type { MigrationState, VirtualMachineInstance } from "@fairlead/api";

/** The last migration of a VMI, if it is this one. The state of an earlier one stays until the next hand-off. */
export function stateOf(
  vmi: VirtualMachineInstance | undefined,
  migrationUid: string,
): MigrationState | undefined {
  const state = vmi?.status?.migrationState;
  return state?.migrationUid === migrationUid ? state : undefined;
}

/** Whether KubeVirt has acknowledged that the VM now belongs to the target's node. */
export function isAcknowledged(vmi: VirtualMachineInstance, state: MigrationState): boolean {
  if (state.failed || !state.targetNode) return false;
  const { nodeName } = vmi.status ?? {};
  // A record that has lost the word of its failure still has the node.
  if (state.completed && !nodeName) return true;
  return nodeName === state.targetNode && Boolean(state.completed || state.endTimestamp);
}

/**
 * Name of the pod the VM runs in, as far as its last migration tells. Undefined: the VMI does not say, as for a VM that never
 * migrated, and while the end of a migration is told without the nodes that say which end it was.
 * Pods are told apart by name and not by node: after A → B → A two pods of the VM are on node A.
 */
export function activePodName(vmi: VirtualMachineInstance): string | undefined {
  const state = vmi.status?.migrationState;
  if (!state?.migrationUid) return undefined;
  if (isAcknowledged(vmi, state)) return state.targetPod || undefined;
  const { nodeName } = vmi.status ?? {};
  const hasEnded = Boolean(state.endTimestamp || state.completed) && !state.failed;
  if (hasEnded && !(nodeName && state.targetNode)) return undefined;
  // KubeVirt writes the target's node together with the end.
  if (!state.failed && nodeName && nodeName === state.targetNode) return undefined;
  return state.sourcePod || undefined;
}

/** The VM has ended; the same VMI never runs again. */
export function isOver(vmi: VirtualMachineInstance): boolean {
  return vmi.status?.phase === "Succeeded" || vmi.status?.phase === "Failed";
}
