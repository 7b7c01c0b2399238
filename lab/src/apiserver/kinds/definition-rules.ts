import { compileRules } from "../cel/rules.ts";
import { isObject, type JsonObject, listAt, objectAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import type { Schema } from "../schema/schema.ts";
import { type FieldError, fieldError } from "../status.ts";
import type { Strategy } from "./resource.ts";

/** What a CustomResourceDefinition must be to be accepted. */
export const definitionStrategy: Strategy = {
  prepareCreate: completeNames,
  prepareUpdate: completeNames,
  validate(definition) {
    const errors: FieldError[] = [];
    const group = stringAt(definition, "spec", "group") ?? "";
    const plural = stringAt(definition, "spec", "names", "plural") ?? "";
    const { name } = definition.metadata;
    if (name !== `${plural}.${group}`)
      errors.push(fieldError.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'));
    const versions = listAt(definition, "spec", "versions");
    if (versions.filter((version) => isObject(version) && version.storage === true).length !== 1)
      errors.push(
        fieldError.invalid(
          "spec.versions",
          versions.map((v) => stringAt(v, "name")),
          "must have exactly one version marked as storage version",
        ),
      );
    versions.forEach((version, i) => {
      const path = `spec.versions[${i}].schema.openAPIV3Schema`;
      const schema = objectAt(version, "schema", "openAPIV3Schema");
      if (!schema) errors.push(fieldError.required(path, "schemas are required"));
      else {
        requireStructure(schema as Schema, path, errors);
        if (errors.length === 0) requireRules(schema as Schema, path, errors);
      }
    });
    return errors;
  },
  validateUpdate: (definition, old) =>
    (["group", "scope"] as const).flatMap((field) => {
      const [now, before] = [stringAt(definition, "spec", field), stringAt(old, "spec", field)];
      return now === before ? [] : [fieldError.invalid(`spec.${field}`, now, "field is immutable")];
    }),
};

function completeNames(definition: KubeObject): void {
  const names: JsonObject | undefined = objectAt(definition, "spec", "names");
  const kind = stringAt(names, "kind");
  if (!names || !kind) return;
  names.listKind ??= `${kind}List`;
  names.singular ??= kind.toLowerCase();
  const spec = objectAt(definition, "spec");
  if (spec) spec.conversion ??= { strategy: "None" };
}

/** Every rule compiles against the types of the schema. */
function requireRules(schema: Schema, path: string, errors: FieldError[]): void {
  compileRules(schema, (at, { rule }, why) =>
    errors.push(fieldError.invalid(path + at, rule, `compilation failed: ${why}`)),
  );
}

/** A structural schema says the type of every value it describes. */
function requireStructure(schema: Schema, path: string, errors: FieldError[]): void {
  const open = schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"];
  if (!schema.type && !open)
    errors.push(fieldError.required(`${path}.type`, "must not be empty for specified object fields"));
  if (schema.properties && schema.additionalProperties)
    errors.push(
      fieldError.forbidden(
        `${path}.additionalProperties`,
        "additionalProperties and properties are mutual exclusive",
      ),
    );
  if (schema.type === "array" && !schema.items)
    errors.push(fieldError.required(`${path}.items`, "must be specified"));
  if (schema["x-kubernetes-list-type"] === "map" && !schema["x-kubernetes-list-map-keys"]?.length)
    errors.push(
      fieldError.required(
        `${path}.x-kubernetes-list-map-keys`,
        "must not be empty if x-kubernetes-list-type is map",
      ),
    );
  if (schema.pattern !== undefined && !isRegular(schema.pattern))
    errors.push(fieldError.invalid(`${path}.pattern`, schema.pattern, "must be a valid regular expression"));
  for (const [name, field] of Object.entries(schema.properties ?? {}))
    if (!(path.endsWith("openAPIV3Schema") && name === "metadata"))
      requireStructure(field, `${path}.properties[${name}]`, errors);
  if (schema.items) requireStructure(schema.items, `${path}.items`, errors);
  if (typeof schema.additionalProperties === "object")
    requireStructure(schema.additionalProperties, `${path}.additionalProperties`, errors);
}

function isRegular(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
}
