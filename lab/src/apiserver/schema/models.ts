import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { builtinDefaults, builtinEnums } from "./defaults-builtin.ts";
import { atomicModels, listSemantics } from "./lists.ts";
import type { Schema } from "./schema.ts";

/**
 * The types of built-in kinds are read from the client library, whose model files are generated from the Kubernetes
 * OpenAPI document: the `.js` file has names, types and formats, the `.d.ts` file what is required and the descriptions.
 */
const models = new URL("gen/models/", import.meta.resolve("@kubernetes/client-node"));
const cache = new Map<string, Schema>();

interface Attribute {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

const read = (file: string): string => readFileSync(fileURLToPath(new URL(file, models)), "utf8");

const quantityMaps = new Set(["limits", "requests", "capacity", "allocatable", "overhead", "hard", "used"]);
/** apimachinery's resource.Quantity: a string, or a number for short. */
export const quantity: Schema = {
  definition: "Quantity",
  type: "string",
  "x-kubernetes-int-or-string": true,
  description: "Quantity is a fixed-point representation of a number with an optional SI suffix.",
};
const anything: Schema = { "x-kubernetes-preserve-unknown-fields": true };

function typeSchema(type: string, format: string): Schema {
  const list = /^Array<(.*)>$/.exec(type);
  if (list) return { type: "array", items: typeSchema(list[1]!, "") };
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map)
    return { type: "object", additionalProperties: typeSchema(map[1]!, format === "byte" ? format : "") };
  switch (type) {
    case "string":
      return format === "" ? { type: "string" } : { type: "string", format };
    case "boolean":
      return { type: "boolean" };
    case "number":
      return { type: format === "double" ? "number" : "integer", format };
    case "any":
      return anything;
    case "Date":
      return { type: "string", format: "date-time" };
    case "V1MicroTime":
      return { type: "string", format: "date-time" };
    case "IntOrString":
      return { "x-kubernetes-int-or-string": true, format: "int-or-string" };
    default:
      return model(type);
  }
}

/** A wrapper that adds field-level facts to a shared definition, or the merged plain schema. */
function withFacts(schema: Schema, facts: Schema): Schema {
  if (Object.keys(facts).length === 0) return schema;
  return { ...schema, ...facts };
}

/** The schema of a model class of the client library, such as `V1Pod`. Shared and possibly cyclic: never change it. */
export function model(name: string): Schema {
  const known = cache.get(name);
  if (known) return known;
  const schema: Schema = { definition: name, type: "object", properties: {} };
  cache.set(name, schema);
  if (atomicModels.has(name)) schema["x-kubernetes-map-type"] = "atomic";

  const code = read(`${name}.js`);
  const types = read(`${name}.d.ts`);
  const start = code.indexOf("attributeTypeMap = ") + "attributeTypeMap = ".length;
  const attributes: Attribute[] = JSON.parse(code.slice(start, code.indexOf("];", start) + 1));
  const description = /\/\*\*\n\* ([^\n]*)\n\*\/\nexport/.exec(types)?.[1];
  if (description) schema.description = unquote(description);
  const required: string[] = [];
  for (const attribute of attributes) {
    const declared = new RegExp(`(?:\\* ([^\\n]*)\\n\\s*\\*/\\n\\s*)?'${attribute.name}'(\\??):`).exec(types);
    const field = attribute.baseName;
    let type = typeSchema(attribute.type, attribute.format);
    if (quantityMaps.has(field) && type.additionalProperties)
      type = { ...type, additionalProperties: quantity };
    const facts: Schema = { ...listSemantics[name]?.[field] };
    if (declared?.[1]) facts.description = unquote(declared[1]);
    const fallback = builtinDefaults[name]?.[field];
    if (fallback !== undefined) facts.default = fallback;
    const values = builtinEnums[name]?.[field];
    if (values && type.type === "array") type = { ...type, items: { type: "string", enum: values } };
    else if (values) facts.enum = values;
    schema.properties![field] = withFacts(type, facts);
    if (declared?.[2] === "") required.push(field);
  }
  if (required.length > 0) schema.required = required;
  return schema;
}

const unquote = (text: string): string => text.replace(/\\(['"`])/g, "$1");
