import { isObject, type Json } from "../json.ts";
import { fieldSchema, type Schema } from "./schema.ts";

const envelope = new Set(["apiVersion", "kind", "metadata"]);

export interface PruneOptions {
  /** Built-in kinds are decoded into Go structs, where null means absent. */
  readonly dropNulls: boolean;
  /** Receives the path of every unknown field, as `fieldValidation=Strict` reports it. */
  readonly unknown?: string[];
}

/** Removes, in place, every field the schema does not know. */
export function prune(schema: Schema, value: Json | undefined, options: PruneOptions, path = ""): void {
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items) for (const [i, item] of value.entries()) prune(items, item, options, `${path}[${i}]`);
    return;
  }
  if (!isObject(value)) return;
  const keep = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  for (const name of Object.keys(value)) {
    const field = fieldSchema(schema, name);
    const here = path === "" ? name : `${path}.${name}`;
    if (field === undefined) {
      if (keep || schema.additionalProperties === true || (embedded && envelope.has(name))) continue;
      options.unknown?.push(here);
      delete value[name];
    } else if (value[name] === null && options.dropNulls && !keep && !isAnything(field)) {
      delete value[name];
    } else prune(field, value[name], options, here);
  }
}

const isAnything = (schema: Schema): boolean =>
  schema.type === undefined && schema["x-kubernetes-preserve-unknown-fields"] === true;

/** Fills in default values, in place. A null where null is not allowed counts as absent if there is a default. */
export function applyDefaults(schema: Schema, value: Json | undefined): void {
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) applyDefaults(schema.items, item);
    return;
  }
  if (!isObject(value)) return;
  for (const name in schema.properties) {
    const field = schema.properties[name]!;
    const current = value[name];
    if (field.default !== undefined && (current === undefined || (current === null && !field.nullable)))
      value[name] = structuredClone(field.default);
    if (value[name] !== undefined) applyDefaults(field, value[name]);
  }
  const rest = schema.additionalProperties;
  if (typeof rest === "object")
    for (const name in value) if (!schema.properties?.[name]) applyDefaults(rest, value[name]);
}
