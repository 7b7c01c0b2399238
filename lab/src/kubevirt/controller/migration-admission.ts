import { kinds, type VirtualMachineInstance } from "@fairlead/api";
import { finalizers, labels } from "../names.ts";
import { conditionOf, draft, enterPhase, isFinal } from "../status.ts";
import { type Decision, decide, event, type Write } from "./decision.ts";
import { type Migration, type MigrationInput, sameVmi } from "./migration-input.ts";

/** What KubeVirt's webhooks do at creation. A refused one is marked Failed, for there is no admission here. */
export function admit({ migration, vmi, all, now }: MigrationInput): Decision {
  const rival = all.find((other) => other !== migration && sameVmi(other, migration) && isLive(other));
  const refusal = refusalOf(migration, vmi, rival);
  const next = draft(migration);
  if (refusal !== undefined) {
    next.status = { ...next.status };
    enterPhase(next.status, "Failed", now);
    const write: Write = { do: "replaceStatus", kind: kinds.VirtualMachineInstanceMigration, object: next };
    return decide(write, event(migration, "FailedMigration", refusal, "Warning"));
  }
  next.metadata.labels = { ...next.metadata.labels, [labels.vmiName]: migration.spec.vmiName! };
  next.metadata.finalizers = [...(next.metadata.finalizers ?? []), finalizers.migration];
  return decide({ do: "replace", kind: kinds.VirtualMachineInstanceMigration, object: next });
}

const isLive = (migration: Migration) =>
  migration.metadata.finalizers?.includes(finalizers.migration) === true && !isFinal(migration.status?.phase);

/** Why KubeVirt's admission would refuse this migration, in its words. */
export function refusalOf(
  migration: Migration,
  vmi: VirtualMachineInstance | undefined,
  rival: Migration | undefined,
): string | undefined {
  const name = migration.spec.vmiName ?? "";
  if (vmi === undefined) return `the VMI "${migration.metadata.namespace}/${name}" does not exist`;
  if (isFinal(vmi.status?.phase)) return "Cannot migrate VMI in finalized state.";
  const migratable = conditionOf(vmi, "LiveMigratable");
  if (migratable?.status === "False") {
    return `Cannot migrate VMI, Reason: ${migratable.reason}, Message: ${migratable.message}`;
  }
  if (rival) {
    return `in-flight migration detected. Active migration job (${rival.metadata.uid}) is currently already in progress for VMI ${name}.`;
  }
  return undefined;
}
