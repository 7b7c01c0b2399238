import type { VirtualMachineInstance, VirtualMachineInstanceMigration } from "@fairlead/api";
import type { MigrationInput } from "./migration.ts";

/** The endpoint a sighting is about, and the node it is on. */
export interface SightedEndpoint {
  readonly nodeName: string;
  readonly podName: string;
  readonly vmiUid: string;
  /** The migration this endpoint's pod was made for. */
  readonly migrationUid?: string | undefined;
}

/** VMIM phases in which a migration may still move the guest. Pending ones wait in a queue and move nothing. */
const underWay = new Set(["Scheduling", "Scheduled", "PreparingTarget", "TargetReady", "Running"]);

const uidOf = (object: { metadata: { uid?: string | undefined } }) => object.metadata.uid;

/**
 * What the API says about where the guest is, seen from one endpoint; undefined when it says nothing certain. Only positive evidence
 * counts: an object that is not there (yet, or any more) moves nothing, since watches of different kinds do not keep step.
 *
 * `migrations`: those of the endpoint's VMI, in any order.
 */
export function sight(
  endpoint: SightedEndpoint,
  vmi: VirtualMachineInstance | undefined,
  migrations: readonly VirtualMachineInstanceMigration[],
): MigrationInput | undefined {
  if (!vmi || uidOf(vmi) !== endpoint.vmiUid) return undefined;
  if (isHere(endpoint, vmi))
    return isLeaving(endpoint, vmi, migrations) ? { type: "Leaving" } : { type: "Arrived" };
  const own = migrations.find((migration) => uidOf(migration) === endpoint.migrationUid);
  if (isElsewhere(endpoint, vmi, own)) return { type: "Elsewhere" };
  const uid = own && uidOf(own);
  if (!uid || !underWay.has(own.status?.phase ?? "")) return undefined;
  return { type: "Expected", migration: { uid, createdAt: own.metadata.creationTimestamp ?? "" } };
}

/** The last hand-off of the VMI, if it was for this endpoint's pod. */
function ownHandOff(endpoint: SightedEndpoint, vmi: VirtualMachineInstance) {
  const last = vmi.status?.migrationState;
  return endpoint.migrationUid && last?.migrationUid === endpoint.migrationUid ? last : undefined;
}

function isHere(endpoint: SightedEndpoint, vmi: VirtualMachineInstance): boolean {
  const runsOnThisNode = vmi.status?.nodeName === endpoint.nodeName;
  const handOff = ownHandOff(endpoint, vmi);
  if (!handOff) return runsOnThisNode && vmi.status?.migrationState?.targetPod !== endpoint.podName;
  if (handOff.failed) return false;
  // The ready timestamp is the first sign of switch-over in the API; the node name follows.
  return runsOnThisNode || Boolean(handOff.targetNodeDomainReadyTimestamp) || handOff.completed === true;
}

function isLeaving(
  endpoint: SightedEndpoint,
  vmi: VirtualMachineInstance,
  migrations: readonly VirtualMachineInstanceMigration[],
): boolean {
  const last = vmi.status?.migrationState;
  const handedOff =
    last?.sourcePod === endpoint.podName &&
    last.migrationUid !== endpoint.migrationUid &&
    !last.completed &&
    !last.failed;
  return (
    handedOff === true ||
    migrations.some(
      (migration) =>
        uidOf(migration) !== endpoint.migrationUid && underWay.has(migration.status?.phase ?? ""),
    )
  );
}

function isElsewhere(
  endpoint: SightedEndpoint,
  vmi: VirtualMachineInstance,
  own: VirtualMachineInstanceMigration | undefined,
): boolean {
  const { nodeName, migrationState: last } = vmi.status ?? {};
  // Failed or cancelled: the guest stays where it was.
  if (own?.status?.phase === "Failed" || ownHandOff(endpoint, vmi)?.failed) return true;
  if (!nodeName || nodeName === endpoint.nodeName || !last) return false;
  // The hand-off in the VMI is a later one of others, or one away from here, and it is over.
  const over = Boolean(last.endTimestamp) || last.completed === true;
  const ofOthers = last.targetPod !== endpoint.podName && last.migrationUid !== endpoint.migrationUid;
  const wasMine = last.sourcePod === endpoint.podName || !endpoint.migrationUid;
  return over && !last.failed && ofOthers && (wasMine || own === undefined);
}
