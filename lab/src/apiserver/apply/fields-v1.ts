import { isObject, type JsonObject } from "../json.ts";
import { type FieldSet, join, separator } from "./path.ts";

const decoded = new WeakMap<JsonObject, FieldSet>();

/** Reads metav1.FieldsV1. Sets of stored objects are remembered, since stored objects never change. */
export function decodeFields(fields: JsonObject): FieldSet {
  const known = decoded.get(fields);
  if (known) return known;
  const found = new Set<string>();
  visit(fields, "", found);
  decoded.set(fields, found);
  return found;
}

function visit(node: JsonObject, path: string, found: Set<string>): void {
  for (const element in node) {
    const child = node[element];
    if (element === "." || !isObject(child)) {
      if (path !== "") found.add(path);
      continue;
    }
    const here = join(path, element);
    if (Object.keys(child).length === 0) found.add(here);
    else visit(child, here, found);
  }
}

export function encodeFields(set: FieldSet): JsonObject {
  const root: JsonObject = {};
  for (const path of [...set].sort()) {
    let node = root;
    for (const element of path.split(separator)) {
      const next = node[element];
      if (isObject(next)) node = next;
      else {
        const child: JsonObject = {};
        node[element] = child;
        node = child;
      }
    }
    node["."] = {};
  }
  simplify(root);
  decoded.set(root, set);
  return root;
}

/** A member without parts is `{}`; only one with parts says `"."`. */
function simplify(node: JsonObject): void {
  for (const child of Object.values(node)) {
    if (!isObject(child)) continue;
    if (Object.keys(child).length === 1 && child["."]) delete child["."];
    else simplify(child);
  }
}
