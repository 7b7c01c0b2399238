import { parseJson as parse, stringifyJson as stringify } from "@fairlead/api";

/** A JSON value. Integers that a double would round (beyond 2^53) are bigints, all others numbers. */
export type Json = string | number | bigint | boolean | null | Json[] | JsonObject;
export type JsonObject = { [key: string]: Json | undefined };

/** Throws SyntaxError. */
export const parseJson = (text: string): Json => parse(text) as Json;

export const stringifyJson = (value: Json | undefined | object): string => stringify(value);

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Follows a path of field names; undefined where the path ends early. */
export function at(value: Json | undefined, ...path: readonly string[]): Json | undefined {
  for (const name of path) {
    if (!isObject(value)) return undefined;
    value = value[name];
  }
  return value;
}

export const stringAt = (value: Json | undefined, ...path: readonly string[]): string | undefined => {
  const found = at(value, ...path);
  return typeof found === "string" ? found : undefined;
};

export const numberAt = (value: Json | undefined, ...path: readonly string[]): number | undefined => {
  const found = at(value, ...path);
  return typeof found === "number" || typeof found === "bigint" ? Number(found) : undefined;
};

export const objectAt = (value: Json | undefined, ...path: readonly string[]): JsonObject | undefined => {
  const found = at(value, ...path);
  return isObject(found) ? found : undefined;
};

export const listAt = (value: Json | undefined, ...path: readonly string[]): Json[] => {
  const found = at(value, ...path);
  return Array.isArray(found) ? found : [];
};

/** Sameness of meaning: order of fields does not matter, a field that is undefined is absent. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!sameJson(a[i], b[i])) return false;
    return true;
  }
  if (Array.isArray(b)) return false;
  let fields = 0;
  for (const key in a) {
    if (a[key] === undefined) continue;
    fields++;
    if (!sameJson(a[key], b[key])) return false;
  }
  for (const key in b) if (b[key] !== undefined) fields--;
  return fields === 0;
}

/** A deep copy that shares nothing with the original. */
export function copyJson<T extends Json | undefined>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  const copy: JsonObject = {};
  // Assigning __proto__ would change the prototype instead.
  for (const key in value) if (key !== "__proto__") copy[key] = copyJson((value as JsonObject)[key]);
  return copy as T;
}
