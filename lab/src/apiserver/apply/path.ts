import { isObject, type Json, type JsonObject, parseJson, stringifyJson } from "../json.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";

/**
 * A field is named by the path elements of FieldsV1, joined: `f:spec␁f:ports␁k:{"port":80}␁f:name`. A set of fields is a
 * set of such names.
 */
export type FieldSet = ReadonlySet<string>;

export const separator = "\u0001";

export const join = (path: string, element: string): string =>
  path === "" ? element : `${path}${separator}${element}`;

/** How a value is divided into fields that have owners of their own. */
export type Division = "leaf" | "fields" | "set" | "map";

export function divisionOf(schema: Schema | undefined, value: Json | undefined): Division {
  if (isObject(value)) {
    if (schema?.["x-kubernetes-map-type"] === "atomic") return "leaf";
    return "fields";
  }
  if (!Array.isArray(value)) return "leaf";
  const type = schema?.["x-kubernetes-list-type"];
  return type === "set" || type === "map" ? type : "leaf";
}

/** The path element of an item of an associative list: `k:{"name":"a"}` with sorted keys, or `v:"a"`. */
export function elementOf(schema: Schema | undefined, division: "set" | "map", item: Json): string {
  if (division === "set") return `v:${stringifyJson(item)}`;
  const keys = [...(schema?.["x-kubernetes-list-map-keys"] ?? [])].sort();
  const id: JsonObject = {};
  for (const key of keys) {
    const value = isObject(item) ? item[key] : undefined;
    const fallback = schema?.items?.properties?.[key]?.default;
    if (value !== undefined) id[key] = value;
    else if (fallback !== undefined) id[key] = fallback;
  }
  return `k:${stringifyJson(id)}`;
}

/** The parts of a divided value, by path element. */
export function* partsOf(
  schema: Schema | undefined,
  division: Division,
  value: Json,
): Iterable<[element: string, schema: Schema | undefined, value: Json]> {
  if (division === "fields") {
    for (const [name, item] of Object.entries(value as JsonObject))
      if (item !== undefined) yield [`f:${name}`, fieldSchema(schema, name), item];
  } else if (division !== "leaf") {
    for (const item of value as Json[]) yield [elementOf(schema, division, item), schema?.items, item];
  }
}

/** Every field of a value that someone can own. */
export function fieldsOf(
  schema: Schema | undefined,
  value: Json,
  path = "",
  found: Set<string> = new Set(),
): Set<string> {
  const division = divisionOf(schema, value);
  let parts = 0;
  for (const [element, inner, item] of partsOf(schema, division, value)) {
    parts++;
    const here = join(path, element);
    if (division === "set") found.add(here);
    else {
      if (division === "map") found.add(here);
      fieldsOf(inner, item, here, found);
    }
  }
  if (parts === 0 && path !== "") found.add(path);
  return found;
}

/** `.spec.containers[name="a"].image`, as conflict messages show it. */
export function printPath(path: string): string {
  let text = "";
  for (const element of path.split(separator)) {
    const rest = element.slice(2);
    if (element.startsWith("f:")) text += `.${rest}`;
    else if (element.startsWith("v:")) text += `[=${rest}]`;
    else {
      const keys = Object.entries(parseJson(rest) as JsonObject);
      text += `[${keys.map(([key, value]) => `${key}=${stringifyJson(value)}`).join(",")}]`;
    }
  }
  return text;
}
