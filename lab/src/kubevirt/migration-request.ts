import type {
  Node,
  VirtualMachine,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
} from "@fairlead/api";
import { conditionOf, isFinal } from "./status.ts";

/** What the cluster knows when somebody asks for a migration. */
export interface MigrationRequest {
  readonly namespace: string;
  readonly name: string;
  /** Node to go to; undefined: wherever there is room. */
  readonly to: string | undefined;
  readonly vms: readonly VirtualMachine[];
  readonly vmi: VirtualMachineInstance | undefined;
  readonly nodes: readonly Node[];
  /** Migrations of the namespace. */
  readonly migrations: readonly VirtualMachineInstanceMigration[];
}

const named = (objects: readonly { readonly metadata: { readonly name?: string | undefined } }[]) =>
  objects.map(({ metadata }) => metadata.name).join(", ") || "none";

/** Why a migration cannot be, and what to do next; undefined when it can. */
export function objectionTo(request: MigrationRequest): string | undefined {
  const { namespace, name, to, vms, vmi, nodes, migrations } = request;
  const vm = `${namespace}/${name}`;
  const [first] = request.nodes.filter((node) => node.metadata.name !== vmi?.status?.nodeName);
  if (vmi === undefined && !vms.some(({ metadata }) => metadata.name === name))
    return `there is no VM ${vm}; in namespace ${namespace} there are: ${named(vms)}`;
  if (vmi?.status?.phase !== "Running" || vmi.metadata.deletionTimestamp) {
    const state = vmi === undefined ? "it is stopped" : `it is ${vmi.status?.phase ?? "Pending"}`;
    const remedy =
      vmi && !isFinal(vmi.status?.phase)
        ? "wait until it runs"
        : `start it: pnpm lab kubectl patch vm ${name} -n ${namespace} --type merge -p '{"spec":{"runStrategy":"Always"}}'`;
    return `VM ${vm} does not run, ${state}; ${remedy}`;
  }
  if (to !== undefined && !nodes.some(({ metadata }) => metadata.name === to))
    return `there is no node ${to}; there are: ${named(nodes)}`;
  if (to === vmi.status.nodeName)
    return `VM ${vm} runs on ${to} already; name another node, for example: --to ${first?.metadata.name}`;
  const migratable = conditionOf(vmi, "LiveMigratable");
  if (migratable?.status === "False")
    return `VM ${vm} cannot migrate: ${migratable.message}; look at its VMI's annotations and interfaces`;
  const rival = migrations.find(({ spec, status }) => spec.vmiName === name && !isFinal(status?.phase));
  if (rival)
    return `VM ${vm} is migrating already (${rival.metadata.name}); wait, or cancel: pnpm lab kubectl delete vmim ${rival.metadata.name} -n ${namespace}`;
  return undefined;
}
