import type { VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import { annotations, finalizers } from "../names.ts";
import { isFinal } from "../status.ts";
import { type Decision, decide, nothing } from "./decision.ts";

export interface EvacuationInput {
  readonly vmi: VirtualMachineInstance;
  /** Every migration in the cluster. */
  readonly all: readonly VirtualMachineInstanceMigration[];
  readonly nowMs: number;
}

/** Wait after the n-th evacuation from a node that failed: 20 s, doubled each time. */
const firstBackOffMs = 20_000;

/** The evacuation controller: moves a guest off the node it was asked to leave, once at a time, until it is gone from there. */
export function decideEvacuation({ vmi, all, nowMs }: EvacuationInput): Decision {
  const node = vmi.status?.evacuationNodeName;
  if (!node || vmi.status?.nodeName !== node || vmi.status.phase !== "Running") return nothing;
  if (vmi.metadata.deletionTimestamp) return nothing;
  const own = all.filter(
    ({ metadata, spec }) =>
      metadata.namespace === vmi.metadata.namespace && spec.vmiName === vmi.metadata.name,
  );
  const isLive = ({ metadata, status }: VirtualMachineInstanceMigration) =>
    metadata.finalizers?.includes(finalizers.migration) || !isFinal(status?.phase);
  if (own.some(isLive)) return nothing;
  const wait = backOffOf(own, node) - nowMs;
  if (wait > 0) return { writes: [], again: wait };
  return decide({
    do: "createMigration",
    migration: {
      metadata: {
        generateName: "kubevirt-evacuation-",
        namespace: vmi.metadata.namespace!,
        annotations: { [annotations.evacuation]: node },
      },
      spec: { vmiName: vmi.metadata.name },
    },
  });
}

/** When the next try is due, milliseconds. */
function backOffOf(own: readonly VirtualMachineInstanceMigration[], node: string): number {
  const failed = own.filter(
    ({ metadata, status }) =>
      metadata.annotations?.[annotations.evacuation] === node && status?.phase === "Failed",
  );
  if (failed.length === 0) return 0;
  const last = Math.max(...failed.map(endOf));
  return last + firstBackOffMs * 2 ** (failed.length - 1);
}

function endOf({ metadata, status }: VirtualMachineInstanceMigration): number {
  const failed = status?.phaseTransitionTimestamps?.find(({ phase }) => phase === "Failed");
  return Date.parse(failed?.phaseTransitionTimestamp ?? metadata.creationTimestamp ?? "") || 0;
}
