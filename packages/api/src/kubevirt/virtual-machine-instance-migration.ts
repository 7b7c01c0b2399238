import type { Condition, KubernetesObject } from "../object.ts";
import type { MigrationState } from "./virtual-machine-instance.ts";

/** In order; the last two are final. A watcher may miss some of them. */
export const migrationPhases = [
  "Pending",
  "Scheduling",
  "Scheduled",
  "PreparingTarget",
  "TargetReady",
  "Running",
  "Succeeded",
  "Failed",
] as const;

/** KubeVirt's phases of a migration; `Succeeded` and `Failed` are final. */
export type VirtualMachineInstanceMigrationPhase = (typeof migrationPhases)[number];

/** kubevirt.io/v1 VirtualMachineInstanceMigration: one move of one VMI. */
export interface VirtualMachineInstanceMigration extends KubernetesObject {
  spec: {
    vmiName?: string;
    addedNodeSelector?: Record<string, string>;
    priority?: string;
    [field: string]: unknown;
  };
  status?: {
    /** Absent or "" before the first reconcile; newer KubeVirt may add phases. */
    phase?: VirtualMachineInstanceMigrationPhase | "" | (string & {});
    /** Only `sourcePod` while Pending; the full copy arrives after the phase is final. */
    migrationState?: MigrationState;
    conditions?: Condition[];
    phaseTransitionTimestamps?: { phase: string; phaseTransitionTimestamp: string }[];
    [field: string]: unknown;
  };
}
