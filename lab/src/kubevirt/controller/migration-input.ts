import {
  kinds,
  type MigrationState,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import type { MigrationLimits } from "../migration-monitor.ts";
import { labels } from "../names.ts";
import { draft, enterPhase, isFinal, withCondition } from "../status.ts";
import { type Decision, decide, type Write } from "./decision.ts";

/** Short for KubeVirt's long name. */
export type Migration = VirtualMachineInstanceMigration;

/** All that a decision depends on. */
export interface MigrationInput {
  readonly migration: Migration;
  readonly vmi: VirtualMachineInstance | undefined;
  /** Every pod of the VMI. */
  readonly pods: readonly Pod[];
  /** Every migration in the cluster, this one included. */
  readonly all: readonly Migration[];
  /** Node of the source of each migration under way, by VMI `namespace/name`: for the limit a node. */
  readonly sourceNodeOf: (migration: Migration) => string | undefined;
  /** `spec.configuration.migrations` of the KubeVirt object. */
  readonly configuration?: Partial<MigrationLimits> | undefined;
  readonly now: string;
  /** The same in milliseconds. */
  readonly nowMs: number;
}

/** KubeVirt's defaults. */
export const limits = {
  perCluster: 5,
  outboundPerNode: 2,
  /** Finished migrations kept per VMI. */
  kept: 5,
  unschedulableSeconds: 300,
  pendingSeconds: 900,
} as const;

/** The VMI's migration state if it is about this migration. */
export function stateOf({ migration, vmi }: MigrationInput): MigrationState | undefined {
  const state = vmi?.status?.migrationState;
  return state?.migrationUid === migration.metadata.uid ? state : undefined;
}

/** Another migration to which the VMI was handed over and which lives. */
export function rivalOf({ migration, vmi, all }: MigrationInput): Migration | undefined {
  const uid = vmi?.status?.migrationState?.migrationUid;
  return all.find(
    ({ metadata, status }) =>
      metadata.uid === uid && metadata.uid !== migration.metadata.uid && !isFinal(status?.phase),
  );
}

export const isHandedOver = (input: MigrationInput) => stateOf(input)?.targetNode !== undefined;

export function targetPod({ migration, pods }: Pick<MigrationInput, "migration" | "pods">): Pod | undefined {
  return pods.find((pod) => pod.metadata.labels?.[labels.migrationJobUid] === migration.metadata.uid);
}

export function sameVmi(a: Migration, b: Migration): boolean {
  return a.metadata.namespace === b.metadata.namespace && a.spec.vmiName === b.spec.vmiName;
}

/** Goes on to a phase. */
export function enter(
  { migration, now }: MigrationInput,
  phase: string,
  change?: (status: NonNullable<Migration["status"]>) => void,
  ...more: Write[]
): Decision {
  const next = draft(migration);
  next.status = { ...next.status };
  enterPhase(next.status, phase, now);
  change?.(next.status);
  return decide({ do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next }, ...more);
}

export const withAbort = (migration: Migration, now: string) =>
  withCondition(migration.status?.conditions, {
    type: "migrationAbortRequested",
    status: "True",
    lastTransitionTime: now,
  });
