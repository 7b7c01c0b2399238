import { builtinResources } from "../kinds/builtin.ts";
import type { Resource } from "../kinds/resource.ts";
import { model } from "../schema/models.ts";
import type { Schema } from "../schema/schema.ts";

const packages: { readonly [group: string]: string } = {
  "": "io.k8s.api.core",
  "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
  "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
};
const packageOf = (group: string): string => packages[group] ?? `io.k8s.api.${group.split(".", 1)[0]}`;

const metaModels = new Set([
  "V1ObjectMeta",
  "V1ListMeta",
  "V1LabelSelector",
  "V1LabelSelectorRequirement",
  "V1OwnerReference",
  "V1ManagedFieldsEntry",
  "V1Condition",
  "V1Status",
  "V1StatusDetails",
  "V1StatusCause",
  "V1FieldSelectorRequirement",
]);
const meta = "io.k8s.apimachinery.pkg.apis.meta.v1";

/** `V1Pod` → `Pod`, `CoreV1Event` → `Event`. */
const bare = (modelName: string): string =>
  modelName.replace(/^[A-Z][a-z]*?(?=V\d)/, "").replace(/^V\d+/, "");

let assigned: Map<string, string> | undefined;

/** A model shared by several groups is named after the first that reaches it; core comes first, as it owns the shared ones. */
function assign(): Map<string, string> {
  const names = new Map<string, string>([["Quantity", "io.k8s.apimachinery.pkg.api.resource.Quantity"]]);
  const visit = (schema: Schema, packageName: string): void => {
    if (schema.definition !== undefined) {
      if (names.has(schema.definition)) return;
      const owner = metaModels.has(schema.definition) ? meta : `${packageName}.v1`;
      names.set(schema.definition, `${owner}.${bare(schema.definition)}`);
    }
    for (const field of Object.values(schema.properties ?? {})) visit(field, packageName);
    if (schema.items) visit(schema.items, packageName);
    if (typeof schema.additionalProperties === "object") visit(schema.additionalProperties, packageName);
  };
  visit(model("V1ListMeta"), meta);
  for (const resource of builtinResources) visit(resource.schema(), packageOf(resource.group));
  return names;
}

/** The OpenAPI definition name of a model of the client library. */
export function definitionName(modelName: string): string {
  assigned ??= assign();
  return assigned.get(modelName) ?? `io.k8s.api.core.v1.${bare(modelName)}`;
}

/** The OpenAPI definition name of a resource's kind. */
export function kindName(resource: Resource): string {
  const definition = resource.schema().definition;
  if (definition !== undefined) return definitionName(definition);
  return `${resource.group.split(".").reverse().join(".")}.${resource.version}.${resource.kind}`;
}
