import {
  type CustomResourceDefinition,
  type Draft,
  type JsonSchema,
  type KindNames,
  kinds,
  type PrinterColumn,
} from "@fairlead/api";

const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

const columns: Readonly<Record<string, readonly PrinterColumn[]>> = {
  VirtualMachine: [
    age,
    { name: "Status", type: "string", jsonPath: ".status.printableStatus" },
    { name: "Ready", type: "string", jsonPath: ".status.conditions[?(@.type=='Ready')].status" },
  ],
  VirtualMachineInstance: [
    age,
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "IP", type: "string", jsonPath: ".status.interfaces[0].ipAddress" },
    { name: "NodeName", type: "string", jsonPath: ".status.nodeName" },
    { name: "Ready", type: "string", jsonPath: ".status.conditions[?(@.type=='Ready')].status" },
    {
      name: "Live-Migratable",
      type: "string",
      jsonPath: ".status.conditions[?(@.type=='LiveMigratable')].status",
      priority: 1,
    },
  ],
  VirtualMachineInstanceMigration: [
    { name: "Phase", type: "string", jsonPath: ".status.phase" },
    { name: "VMI", type: "string", jsonPath: ".spec.vmiName" },
  ],
  KubeVirt: [age, { name: "Phase", type: "string", jsonPath: ".status.phase" }],
};

/** KubeVirt's definitions. Loose schemas, like a watcher sees them; a VMI's status is no subresource. */
export function kubevirtCrds(): Draft<CustomResourceDefinition>[] {
  const { VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration, KubeVirt } = kinds;
  return [VirtualMachine, VirtualMachineInstance, VirtualMachineInstanceMigration, KubeVirt].map(
    definitionOf,
  );
}

function definitionOf(names: KindNames): Draft<CustomResourceDefinition> {
  const loose: JsonSchema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return {
    metadata: { name: `${names.plural}.${names.group}` },
    spec: {
      group: names.group,
      scope: "Namespaced",
      names: {
        kind: names.kind,
        listKind: `${names.kind}List`,
        plural: names.plural,
        singular: names.singular,
        shortNames: [...names.shortNames],
        categories: ["all"],
      },
      versions: [
        {
          name: names.version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { ...loose, properties: { spec: loose, status: loose } } },
          ...(names.hasStatus && { subresources: { status: {} } }),
          additionalPrinterColumns: [...(columns[names.kind] ?? [])],
        },
      ],
    },
  };
}
