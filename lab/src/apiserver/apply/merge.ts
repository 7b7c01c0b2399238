import { copyJson, isObject, type Json, type JsonObject } from "../json.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import { divisionOf, elementOf, type FieldSet, join, separator } from "./path.ts";

/** The live object with the applied configuration laid over it. Works on copies. */
export function mergeApplied(schema: Schema | undefined, live: Json | undefined, applied: Json): Json {
  const division = divisionOf(schema, applied);
  if (live === undefined || division === "leaf" || divisionOf(schema, live) !== division)
    return copyJson(applied);
  if (division === "fields") {
    const result: JsonObject = { ...(live as JsonObject) };
    for (const [name, value] of Object.entries(applied as JsonObject))
      if (value !== undefined) result[name] = mergeApplied(fieldSchema(schema, name), result[name], value);
    return result;
  }
  const id = (item: Json): string => elementOf(schema, division, item);
  const rest = new Map((live as Json[]).map((item) => [id(item), item]));
  const merged = (applied as Json[]).map((item) => {
    const key = id(item);
    const current = rest.get(key);
    rest.delete(key);
    return division === "set" ? item : mergeApplied(schema?.items, current, item);
  });
  // Items of others keep their place in front; ours follow in the applied order.
  const result: Json[] = [];
  const queue = [...merged];
  const ours = new Set(merged.map(id));
  for (const item of live as Json[]) {
    if (!ours.has(id(item))) result.push(item);
    else if (queue.length > 0) result.push(queue.shift()!);
  }
  return [...result, ...queue];
}

/** Takes fields out of a value that nobody wants any more. Works on copies along the way. */
export function removeFields(schema: Schema | undefined, value: Json, gone: FieldSet, path = ""): Json {
  if (gone.size === 0) return value;
  const division = divisionOf(schema, value);
  if (division === "leaf") return value;
  const reaches = (here: string): boolean => {
    for (const field of gone) if (field === here || field.startsWith(`${here}${separator}`)) return true;
    return false;
  };
  if (division === "fields" && isObject(value)) {
    const result: JsonObject = {};
    for (const [name, item] of Object.entries(value)) {
      const here = join(path, `f:${name}`);
      if (item === undefined) continue;
      if (!reaches(here)) {
        result[name] = item;
        continue;
      }
      if (gone.has(here)) continue;
      const inner = removeFields(fieldSchema(schema, name), item, gone, here);
      if (!isEmptied(item, inner)) result[name] = inner;
    }
    return result;
  }
  if (division === "fields") return value;
  const result: Json[] = [];
  for (const item of value as Json[]) {
    const here = join(path, elementOf(schema, division, item));
    if (gone.has(here)) continue;
    result.push(reaches(here) ? removeFields(schema?.items, item, gone, here) : item);
  }
  return result;
}

/** A container whose last part was removed goes with it. */
function isEmptied(before: Json, after: Json): boolean {
  if (isObject(after) && isObject(before))
    return Object.keys(after).length === 0 && Object.keys(before).length > 0;
  return Array.isArray(after) && Array.isArray(before) && after.length === 0 && before.length > 0;
}
