import {
  type ClusterView,
  controllerOf,
  keyOf,
  kinds,
  type Pod,
  type VirtualMachineInstance,
  type VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { activePodName, stateOf } from "./active-pod.ts";
import { apiVersion, migrationUidLabel } from "./names.ts";
import { hasSwitchedOver, isFinal, type MigrationProgress, progressOf } from "./progress.ts";

/** One pod's part in one migration. */
export interface PodMigration {
  /** `namespace/name` */
  readonly pod: string;
  readonly podUid: string;
  /** `namespace/name` of the VMI, and its UID. */
  readonly vmi: string;
  readonly vmiUid: string;
  readonly migrationUid: string;
  readonly role: "source" | "target";
  readonly progress: MigrationProgress;
  /** The guest runs on the target already. */
  readonly hasSwitchedOver: boolean;
  /** Orders the migrations of one VMI: a higher one is later. Compare only within a VMI. */
  readonly epoch: Epoch;
}

/** Compares as a tuple, see `compareEpochs`. */
export type Epoch = readonly [isUnderWay: 0 | 1, startedMs: number, createdMs: number, uid: string];

/** Everything the answer depends on. */
export interface ClusterObjects {
  readonly pods: readonly Pod[];
  readonly instances: readonly VirtualMachineInstance[];
  readonly migrations: readonly VirtualMachineInstanceMigration[];
}

/**
 * The parts that the pods of a node play, at most one per pod: in the migration that matters now. After A → B the same
 * pod is B's finished target and, when B → C begins, B's source. Pods that take no part are left out.
 *
 * Pods are matched to their VMI by controller UID, sources by the name KubeVirt recorded, targets by their label together
 * with a migration that exists or that the VMI names.
 */
export function migrationsOnNode(objects: ClusterObjects, nodeName: string): PodMigration[] {
  const instances = new Map(objects.instances.map((vmi) => [vmi.metadata.uid, vmi]));
  const migrations = new Map(objects.migrations.map((migration) => [migration.metadata.uid, migration]));
  const byInstance = groupByInstance(objects.migrations);
  const found: PodMigration[] = [];
  for (const pod of objects.pods) {
    const owner = controllerOf(pod);
    if (pod.spec.nodeName !== nodeName || owner?.kind !== "VirtualMachineInstance") continue;
    if (owner.apiVersion !== apiVersion) continue;
    const vmi = instances.get(owner.uid);
    const vmiKey = `${pod.metadata.namespace}/${owner.name}`;
    const parts = [
      asTarget(pod, vmi, migrations),
      ...(byInstance.get(vmiKey) ?? []).map((migration) => asSource(pod, vmi, migration)),
      asRecordedSource(pod, vmi, migrations),
    ];
    const newest = parts
      .filter((part) => part !== undefined)
      .sort((a, b) => compareEpochs(b.epoch, a.epoch))[0];
    if (newest) found.push({ ...newest, vmi: vmiKey, vmiUid: owner.uid });
  }
  return found;
}

/** The same from a view that watches Pod, VirtualMachineInstance and VirtualMachineInstanceMigration. */
export function migrationsInView(view: Pick<ClusterView, "list">, nodeName: string): PodMigration[] {
  const pods = view.list(kinds.Pod);
  const instances = view.list(kinds.VirtualMachineInstance);
  return migrationsOnNode(
    { pods, instances, migrations: view.list(kinds.VirtualMachineInstanceMigration) },
    nodeName,
  );
}

/** Below, at or above zero, as `sort` wants it. */
export function compareEpochs(a: Epoch, b: Epoch): number {
  for (let i = 0; i < a.length; i++) {
    const [left, right] = [a[i] ?? 0, b[i] ?? 0];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

type Part = Omit<PodMigration, "vmi" | "vmiUid">;
type Migrations = ReadonlyMap<string | undefined, VirtualMachineInstanceMigration>;

function asTarget(
  pod: Pod,
  vmi: VirtualMachineInstance | undefined,
  migrations: Migrations,
): Part | undefined {
  const uid = pod.metadata.labels?.[migrationUidLabel];
  if (!uid) return undefined;
  const migration = migrations.get(uid);
  const state = stateOf(vmi, uid);
  if (state?.targetPod && state.targetPod !== pod.metadata.name) return undefined;
  if (migration && vmi && migration.spec.vmiName !== vmi.metadata.name) return undefined;
  const part = partOf(pod, "target", uid, migration, vmi);
  // The migration is forgotten, and the VM is here: it came by this migration.
  const isHere = vmi !== undefined && activePodName(vmi) === pod.metadata.name;
  if (part.progress !== "succeeded" && isHere) return { ...part, progress: "succeeded" };
  return part;
}

function asSource(
  pod: Pod,
  vmi: VirtualMachineInstance | undefined,
  migration: VirtualMachineInstanceMigration,
): Part | undefined {
  const uid = migration.metadata.uid ?? "";
  const sourcePod = stateOf(vmi, uid)?.sourcePod ?? migration.status?.migrationState?.sourcePod;
  return sourcePod === pod.metadata.name ? partOf(pod, "source", uid, migration, vmi) : undefined;
}

/** The migration object is gone, the VMI still tells. */
function asRecordedSource(
  pod: Pod,
  vmi: VirtualMachineInstance | undefined,
  migrations: Migrations,
): Part | undefined {
  const state = vmi?.status?.migrationState;
  if (!state?.migrationUid || state.sourcePod !== pod.metadata.name || migrations.has(state.migrationUid))
    return undefined;
  return partOf(pod, "source", state.migrationUid, undefined, vmi);
}

function partOf(
  pod: Pod,
  role: "source" | "target",
  migrationUid: string,
  migration: VirtualMachineInstanceMigration | undefined,
  vmi: VirtualMachineInstance | undefined,
): Part {
  const objects = { migrationUid, migration, vmi };
  const progress = progressOf(objects);
  return {
    pod: keyOf(pod.metadata),
    podUid: pod.metadata.uid ?? "",
    migrationUid,
    role,
    progress,
    hasSwitchedOver: hasSwitchedOver(objects),
    epoch: epochOf(migrationUid, migration, vmi, progress),
  };
}

/** KubeVirt runs one migration of a VMI at a time: what is under way is later than what is over. */
function epochOf(
  uid: string,
  migration: VirtualMachineInstanceMigration | undefined,
  vmi: VirtualMachineInstance | undefined,
  progress: MigrationProgress,
): Epoch {
  const entered = migration?.status?.phaseTransitionTimestamps?.find(({ phase }) => phase === "Scheduling");
  const state = stateOf(vmi, uid) ?? migration?.status?.migrationState;
  const created = timeOf(migration?.metadata.creationTimestamp);
  const started = timeOf(state?.startTimestamp ?? entered?.phaseTransitionTimestamp) || created;
  return [isFinal(progress) ? 0 : 1, started, created, uid];
}

function timeOf(text: string | null | undefined): number {
  return text ? Date.parse(text) || 0 : 0;
}

function groupByInstance(
  migrations: readonly VirtualMachineInstanceMigration[],
): Map<string, VirtualMachineInstanceMigration[]> {
  return Map.groupBy(migrations, ({ metadata, spec }) => `${metadata.namespace}/${spec.vmiName}`);
}
