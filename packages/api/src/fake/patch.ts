import type { PatchOptions } from "../client.ts";
import { ApiError } from "../error.ts";
import { clone, isSame } from "../json.ts";
import { getAt, parsePointer, removeAt, setAt } from "./json-pointer.ts";

type Json = Record<string, unknown>;

/** The object after the patch. The given object stays as it is. `apply` is a strategic merge here. */
export function patched(object: unknown, patch: unknown, type: PatchOptions["type"]): unknown {
  const copy = clone(object);
  switch (type) {
    case "json":
      return jsonPatch(copy, patch);
    case "merge":
      return mergePatch(copy, patch);
    case "strategic":
    case "apply":
      return strategicMerge(copy, patch);
  }
}

/** RFC 7396: null removes, objects merge, everything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return clone(patch);
  const result = isRecord(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__") continue;
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = mergePatch(result[key], value);
  }
  return result;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** RFC 6902. All or nothing. */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new ApiError("BadRequest", "a json patch is an array of operations");
  let root = target;
  for (const operation of patch as Operation[]) {
    const path = parsePointer(operation.path);
    const value = clone(operation.value);
    switch (operation.op) {
      case "add":
        root = setAt(root, path, value, "add");
        break;
      case "replace":
        root = setAt(root, path, value, "replace");
        break;
      case "remove":
        removeAt(root, path);
        break;
      case "test":
        if (!isSame(getAt(root, path), value))
          throw new ApiError("Invalid", `json patch: test of ${operation.path} failed`);
        break;
      case "move":
      case "copy": {
        const from = parsePointer(operation.from ?? "");
        const moved = clone(getAt(root, from));
        if (operation.op === "move") removeAt(root, from);
        root = setAt(root, path, moved, "add");
        break;
      }
      default:
        throw new ApiError("BadRequest", `json patch: there is no operation "${operation.op}"`);
    }
  }
  return root;
}

/** Lists of the built-in kinds that merge by a key. All others are replaced whole. */
const mergeKeys: Readonly<Record<string, string>> = {
  conditions: "type",
  containers: "name",
  initContainers: "name",
  ephemeralContainers: "name",
  volumes: "name",
  env: "name",
  ownerReferences: "uid",
  podIPs: "ip",
  hostIPs: "ip",
  addresses: "type",
  taints: "key",
};
const sets = new Set(["finalizers"]);

function strategicMerge(target: unknown, patch: unknown, field = ""): unknown {
  if (Array.isArray(patch)) return mergeList(Array.isArray(target) ? target : [], patch, field);
  if (!isRecord(patch)) return clone(patch);
  const result = isRecord(target) ? target : {};
  if (patch.$patch === "replace") return withoutDirectives(patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key === "__proto__" || key.startsWith("$")) continue;
    if (value === null) delete result[key];
    else if (value !== undefined) result[key] = strategicMerge(result[key], value, key);
  }
  return result;
}

function mergeList(target: unknown[], patch: unknown[], field: string): unknown[] {
  if (sets.has(field)) return [...new Set([...target, ...patch])];
  const key = mergeKeys[field];
  if (key === undefined || !patch.every(isRecord)) return clone(patch);
  const result = [...target];
  for (const item of patch) {
    const at = result.findIndex((candidate) => isRecord(candidate) && candidate[key] === item[key]);
    if (item.$patch === "delete") {
      if (at >= 0) result.splice(at, 1);
    } else if (at >= 0) result[at] = strategicMerge(result[at], item);
    else result.push(clone(item));
  }
  return result;
}

function withoutDirectives(patch: Json): Json {
  return Object.fromEntries(Object.entries(clone(patch)).filter(([key]) => !key.startsWith("$")));
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
