import type {
  Draft,
  VirtualMachineInstanceMigration as Migration,
  VirtualMachineInstance,
} from "@fairlead/api";
import { finalizers, labels } from "../names.ts";
import { conditionOf, isFinal } from "../status.ts";

/** What KubeVirt's mutating webhook makes of a new migration: the finalizer, and the label by which others find it. */
export function prepareMigration(migration: Draft<Migration>): Draft<Migration> {
  const { finalizers: held = [], labels: given } = migration.metadata;
  return {
    ...migration,
    metadata: {
      ...migration.metadata,
      labels: { ...given, [labels.vmiName]: migration.spec.vmiName ?? "" },
      finalizers: held.includes(finalizers.migration) ? held : [...held, finalizers.migration],
    },
  };
}

/** Why KubeVirt's validating webhook refuses a migration, in its words. `others`: the migrations of the same VMI. */
export function refusalOf(
  { metadata, spec }: Pick<Draft<Migration>, "metadata" | "spec">,
  vmi: VirtualMachineInstance | undefined,
  others: readonly Migration[],
): string | undefined {
  const name = spec.vmiName ?? "";
  if (vmi === undefined) return `the VMI "${metadata.namespace}/${name}" does not exist`;
  if (isFinal(vmi.status?.phase)) return "Cannot migrate VMI in finalized state.";
  const migratable = conditionOf(vmi, "LiveMigratable");
  if (migratable?.status === "False") {
    return `Cannot migrate VMI, Reason: ${migratable.reason}, Message: ${migratable.message}`;
  }
  const rival = others.find(({ status }) => !isFinal(status?.phase));
  if (rival) {
    return `in-flight migration detected. Active migration job (${rival.metadata.uid}) is currently already in progress for VMI ${name}.`;
  }
  return undefined;
}
