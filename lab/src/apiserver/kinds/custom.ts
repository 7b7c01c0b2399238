import { checkRules } from "../cel/check-rules.ts";
import { compileRules } from "../cel/rules.ts";
import { isObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Schema } from "../schema/schema.ts";
import { type FieldError, fieldError } from "../status.ts";
import { defaultColumns } from "../table/columns.ts";
import { allVerbs, type Column, type Resource, type Strategy } from "./resource.ts";

/** The resources a CustomResourceDefinition serves, one per served version. */
export function customResources(definition: KubeObject): Resource[] {
  const spec = objectAt(definition, "spec") ?? {};
  const names = objectAt(spec, "names") ?? {};
  const group = String(spec.group);
  const plural = String(names.plural);
  const kind = String(names.kind);
  return listAt(spec, "versions")
    .filter(isObject)
    .filter((version) => version.served === true)
    .map((version): Resource => {
      const schema = rootSchema(objectAt(version, "schema", "openAPIV3Schema") as Schema | undefined);
      const scale = objectAt(version, "subresources", "scale");
      return {
        group,
        version: String(version.name),
        kind,
        listKind: stringAt(names, "listKind") ?? `${kind}List`,
        plural,
        singular: stringAt(names, "singular") ?? kind.toLowerCase(),
        shortNames: listAt(names, "shortNames").map(String),
        categories: listAt(names, "categories").map(String),
        namespaced: spec.scope === "Namespaced",
        verbs: allVerbs,
        nameRule: "subdomain",
        hasStatus: objectAt(version, "subresources", "status") !== undefined,
        ...(scale
          ? {
              scale: {
                specReplicas: String(scale.specReplicasPath),
                statusReplicas: String(scale.statusReplicasPath),
                ...(scale.labelSelectorPath ? { labelSelector: String(scale.labelSelectorPath) } : {}),
              },
            }
          : {}),
        custom: true,
        unconditionalUpdate: false,
        createOnUpdate: false,
        selectableFields: listAt(version, "selectableFields").map((field) =>
          (stringAt(field, "jsonPath") ?? "").replace(/^\./, ""),
        ),
        columns: columnsOf(listAt(version, "additionalPrinterColumns").filter(isObject)),
        strategy: { validate: ruleCheck(schema) },
        storage: `${group}/${plural}`,
        subresources: [],
        schema: () => schema,
      };
    });
}

/** The schema's CEL rules, compiled when the first object is judged. With a rule that does not compile, nothing is accepted. */
function ruleCheck(schema: Schema): NonNullable<Strategy["validate"]> {
  let judge: NonNullable<Strategy["validate"]> | undefined;
  return (object, old) => {
    if (judge === undefined) {
      const errors: FieldError[] = [];
      const rules = compileRules(schema, (_path, { rule }, why) =>
        errors.push(fieldError.invalid("<nil>", "object", `rule compile error: ${why}: ${rule}`)),
      );
      judge = (next, before) => (rules ? [...errors, ...checkRules(rules, next, before)] : errors);
    }
    return judge(object, old);
  };
}

/** apiVersion, kind and metadata are known in every custom resource, whatever its schema says of them. */
function rootSchema(schema: Schema | undefined): Schema {
  const root = schema ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const { metadata } = root.properties ?? {};
  return {
    ...root,
    properties: {
      ...root.properties,
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: {
        ...metadata,
        type: "object",
        "x-kubernetes-preserve-unknown-fields": true,
      },
    },
  };
}

function columnsOf(rows: readonly { readonly [field: string]: unknown }[]): readonly Column[] {
  if (rows.length === 0) return defaultColumns;
  return [
    defaultColumns[0]!,
    ...rows.map(
      (row): Column => ({
        name: String(row.name),
        type: String(row.type) as Column["type"],
        ...(row.format ? { format: String(row.format) } : {}),
        description: String(row.description ?? ""),
        priority: Number(row.priority ?? 0),
        jsonPath: String(row.jsonPath),
      }),
    ),
  ];
}
