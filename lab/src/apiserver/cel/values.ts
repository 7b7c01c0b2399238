import { isObject, type Json } from "../json.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import { kubernetesCel } from "./environment.ts";
import { escapeName } from "./names.ts";
import { visibleFields } from "./types.ts";

const parseDuration = kubernetesCel.clone().registerVariable("text", "string").parse("duration(text)");

/** A JSON value as CEL sees it: integers are bigints, times and durations have types of their own. */
export function toCel(value: Json | undefined, schema: Schema = {}, isRoot = false): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "number")
    return schema.type !== "number" && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value === "bigint") return schema.type === "number" ? Number(value) : value;
  if (typeof value === "string") return textToCel(value, schema);
  if (Array.isArray(value)) return value.map((item) => toCel(item, schema.items));
  if (!isObject(value)) return value;
  const visible =
    schema.type === "object" && !schema.additionalProperties ? visibleFields(schema, isRoot) : undefined;
  const fields: { [name: string]: unknown } = {};
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    if (visible === undefined) fields[name] = toCel(member, fieldSchema(schema, name));
    else {
      const inner = visible[name];
      const escaped = inner === undefined ? undefined : escapeName(name);
      if (escaped !== undefined) fields[escaped] = toCel(member, inner);
    }
  }
  return fields;
}

function textToCel(value: string, { type, format }: Schema): unknown {
  if (type !== "string") return value;
  switch (format) {
    case "date":
    case "date-time":
      return new Date(value);
    case "duration":
      return parseDuration({ text: value });
    case "byte":
      return new Uint8Array(Buffer.from(value, "base64"));
    default:
      return value;
  }
}
