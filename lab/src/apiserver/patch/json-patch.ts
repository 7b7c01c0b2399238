import { copyJson, isObject, type Json, sameJson } from "../json.ts";
import { StatusError } from "../status.ts";

const wrong = (message: string): StatusError => new StatusError("Invalid", message);

const unescapeToken = (token: string): string => token.replaceAll("~1", "/").replaceAll("~0", "~");

/** RFC 6902. Works on a copy. */
export function applyJsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw new StatusError("BadRequest", "a JSON patch is a list of operations");
  let document = copyJson(target);
  for (const operation of patch) {
    if (!isObject(operation)) throw new StatusError("BadRequest", "a JSON patch operation is an object");
    const path = pointer(operation.path);
    switch (operation.op) {
      case "add":
        document = add(document, path, copyJson(operation.value ?? null));
        break;
      case "remove":
        document = remove(document, path);
        break;
      case "replace":
        document = add(
          path.length === 0 ? document : remove(document, path),
          path,
          copyJson(operation.value ?? null),
        );
        break;
      case "move": {
        const from = pointer(operation.from);
        const value = get(document, from);
        document = add(remove(document, from), path, value);
        break;
      }
      case "copy":
        document = add(document, path, copyJson(get(document, pointer(operation.from))));
        break;
      case "test":
        if (!sameJson(get(document, path), operation.value ?? null))
          throw wrong(
            `the server rejected our request due to an error in our request: testing path ${String(operation.path)} failed`,
          );
        break;
      default:
        throw wrong(`Unexpected kind: ${String(operation.op)}`);
    }
  }
  return document;
}

function pointer(path: Json | undefined): string[] {
  if (path === "") return [];
  if (typeof path !== "string" || !path.startsWith("/"))
    throw wrong(`invalid JSON pointer ${JSON.stringify(path)}`);
  return path.slice(1).split("/").map(unescapeToken);
}

const missing = (path: readonly string[]): StatusError =>
  wrong(
    `the server rejected our request due to an error in our request: path "/${path.join("/")}" does not exist`,
  );

function get(document: Json, path: readonly string[]): Json {
  let value: Json | undefined = document;
  for (const token of path) {
    if (Array.isArray(value)) value = value[Number(token)];
    else if (isObject(value)) value = value[token];
    else throw missing(path);
  }
  if (value === undefined) throw missing(path);
  return value;
}

function add(document: Json, path: readonly string[], value: Json): Json {
  const last = path.at(-1);
  if (last === undefined) return value;
  const parent = get(document, path.slice(0, -1));
  if (Array.isArray(parent)) {
    const index = last === "-" ? parent.length : Number(last);
    if (!Number.isInteger(index) || index < 0 || index > parent.length) throw missing(path);
    parent.splice(index, 0, value);
  } else if (isObject(parent)) parent[last] = value;
  else throw missing(path);
  return document;
}

function remove(document: Json, path: readonly string[]): Json {
  const last = path.at(-1);
  if (last === undefined) return null;
  const parent = get(document, path.slice(0, -1));
  if (
    isObject(parent)
      ? parent[last] === undefined
      : !Array.isArray(parent) || parent[Number(last)] === undefined
  )
    throw missing(path);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else if (isObject(parent)) delete parent[last];
  return document;
}
