import type { Environment } from "@marcbachmann/cel-js";
import type { Schema } from "../schema/schema.ts";
import { escapeName } from "./names.ts";

const text: Schema = { type: "string" };
const metadata: Schema = { type: "object", properties: { name: text, generateName: text } };

/** What rules see of an object that has metadata: its name, and nothing else that the server manages. */
const envelope: { readonly [name: string]: Schema } = { apiVersion: text, kind: text, metadata };

/** The fields of an object that rules can name; undefined: it is a map, or anything. */
export function visibleFields(
  schema: Schema,
  isRoot: boolean,
): { readonly [name: string]: Schema } | undefined {
  if (isRoot || schema["x-kubernetes-embedded-resource"]) return { ...schema.properties, ...envelope };
  return schema.properties;
}

const formats: { readonly [format: string]: string } = {
  date: "google.protobuf.Timestamp",
  "date-time": "google.protobuf.Timestamp",
  duration: "google.protobuf.Duration",
  byte: "bytes",
};
const scalars: { readonly [type: string]: string } = { integer: "int", number: "double", boolean: "bool" };

/**
 * Declares the types of a schema, so that a rule with a misspelt field or a comparison that makes no sense is refused when it
 * is written rather than when it is first needed. Gives the name of the type of the schema itself.
 */
export function declareType(
  environment: Environment,
  schema: Schema,
  isRoot: boolean,
  name = "Self",
): string {
  if (schema["x-kubernetes-int-or-string"]) return "dyn";
  if (schema.type === "string") return formats[schema.format ?? ""] ?? "string";
  if (schema.type === "array")
    return `list<${declareType(environment, schema.items ?? {}, false, `${name}_item`)}>`;
  if (schema.type !== "object") return scalars[schema.type ?? ""] ?? "dyn";
  const { additionalProperties } = schema;
  if (typeof additionalProperties === "object")
    return `map<string, ${declareType(environment, additionalProperties, false, `${name}_value`)}>`;
  const visible = visibleFields(schema, isRoot);
  if (visible === undefined) return "dyn";
  const fields: { [field: string]: string } = {};
  for (const [field, inner] of Object.entries(visible)) {
    const escaped = escapeName(field);
    if (escaped !== undefined) fields[escaped] = declareType(environment, inner, false, `${name}_${escaped}`);
  }
  environment.registerType(name, { fields });
  environment.registerOperator(`${name} == ${name}`, () => true);
  return name;
}
