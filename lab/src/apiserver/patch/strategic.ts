import { copyJson, isObject, type Json, type JsonObject, sameJson, stringifyJson } from "../json.ts";
import { fieldSchema, type Schema } from "../schema/schema.ts";
import { badRequest } from "../status.ts";

/**
 * Kubernetes' strategic merge patch: like a JSON merge patch, but lists with a merge key are merged item by item, and
 * the directives `$patch`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…` and `$retainKeys` are obeyed. Works on a copy.
 */
export function applyStrategicPatch(schema: Schema | undefined, target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return copyJson(patch);
  return mergeObject(schema, isObject(target) ? copyJson(target) : {}, patch);
}

function mergeObject(schema: Schema | undefined, target: JsonObject, patch: JsonObject): JsonObject {
  if (patch.$patch === "replace") return withoutDirectives(patch);
  if (patch.$patch === "delete") return {};
  if (patch.$patch !== undefined && patch.$patch !== "merge")
    throw badRequest(`unknown patch type: ${String(patch.$patch)}`);
  const retained = patch.$retainKeys;
  if (Array.isArray(retained))
    for (const name of Object.keys(target)) if (!retained.includes(name)) delete target[name];
  for (const [name, value] of Object.entries(patch)) {
    if (name === "$patch" || name === "$retainKeys" || value === undefined) continue;
    if (name.startsWith("$setElementOrder/")) continue;
    if (name.startsWith("$deleteFromPrimitiveList/")) {
      const field = name.slice("$deleteFromPrimitiveList/".length);
      const current = target[field];
      if (Array.isArray(current) && Array.isArray(value))
        target[field] = current.filter((item) => !value.some((gone) => sameJson(item, gone)));
      continue;
    }
    const inner = fieldSchema(schema, name);
    if (value === null) delete target[name];
    else if (Array.isArray(value)) target[name] = mergeList(inner, target[name], value);
    else if (isObject(value)) {
      const current = target[name];
      target[name] = mergeObject(inner, isObject(current) ? current : {}, value);
    } else target[name] = value;
  }
  for (const [name, order] of Object.entries(patch)) {
    if (!name.startsWith("$setElementOrder/") || !Array.isArray(order)) continue;
    const field = name.slice("$setElementOrder/".length);
    const list = target[field];
    if (Array.isArray(list)) target[field] = reorder(list, order, mergeKey(fieldSchema(schema, field)));
  }
  return target;
}

const mergeKey = (schema: Schema | undefined): string | undefined => schema?.["x-kubernetes-patch-merge-key"];

function mergeList(schema: Schema | undefined, current: Json | undefined, patch: Json[]): Json[] {
  const merges = schema?.["x-kubernetes-patch-strategy"]?.split(",").includes("merge");
  const list = Array.isArray(current) ? current : [];
  if (!merges) return patch.filter((item) => !isDirective(item)).map(copyJson);
  const key = mergeKey(schema);
  if (key === undefined) {
    const result = [...list];
    for (const item of patch) if (!result.some((other) => sameJson(item, other))) result.push(item);
    return result;
  }
  if (patch.some((item) => isObject(item) && item.$patch === "replace" && item[key] === undefined))
    return patch.filter((item) => !isDirective(item)).map(copyJson);
  const result = [...list];
  for (const item of patch) {
    if (!isObject(item)) continue;
    const id = item[key];
    if (id === undefined)
      throw badRequest(`map: ${stringifyJson(item)} does not contain declared merge key: ${key}`);
    const place = result.findIndex((other) => isObject(other) && sameJson(other[key], id));
    if (item.$patch === "delete") {
      if (place >= 0) result.splice(place, 1);
    } else if (place < 0) result.push(mergeObject(schema?.items, {}, item));
    else result[place] = mergeObject(schema?.items, result[place] as JsonObject, item);
  }
  return result;
}

const isDirective = (item: Json): boolean =>
  isObject(item) && item.$patch !== undefined && Object.keys(item).length === 1;

function withoutDirectives(patch: JsonObject): JsonObject {
  const { $patch: _, ...rest } = patch;
  return copyJson(rest);
}

/** Items named in `order` come in that order; the others keep their place relative to what precedes them. */
function reorder(list: Json[], order: Json[], key: string | undefined): Json[] {
  const idOf = (item: Json): string =>
    stringifyJson(key !== undefined && isObject(item) ? (item[key] ?? null) : item);
  const rank = new Map(order.map((item, i) => [idOf(item), i]));
  const ordered = list.filter((item) => rank.has(idOf(item)));
  ordered.sort((a, b) => rank.get(idOf(a))! - rank.get(idOf(b))!);
  return list.map((item) => (rank.has(idOf(item)) ? ordered.shift()! : item));
}
