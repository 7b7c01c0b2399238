import { type Json, sameJson } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import { divisionOf, fieldsOf, join, partsOf } from "./path.ts";

/** What a write did to the fields of an object. */
export interface Difference {
  /** Fields with a new value, and fields that are new. */
  readonly written: Set<string>;
  readonly removed: Set<string>;
}

export function compare(
  schema: Schema | undefined,
  old: Json,
  next: Json,
  path = "",
  found: Difference = { written: new Set(), removed: new Set() },
): Difference {
  if (sameJson(old, next)) return found;
  const division = divisionOf(schema, next);
  if (division === "leaf" || divisionOf(schema, old) !== division) {
    if (path !== "") {
      fieldsOf(schema, old, path, found.removed);
      fieldsOf(schema, next, path, found.written);
      for (const field of found.written) found.removed.delete(field);
    }
    return found;
  }
  const before = new Map<string, [Schema | undefined, Json]>();
  for (const [element, inner, value] of partsOf(schema, division, old)) before.set(element, [inner, value]);
  for (const [element, inner, value] of partsOf(schema, division, next)) {
    const here = join(path, element);
    const was = before.get(element);
    before.delete(element);
    if (was !== undefined) {
      if (division !== "set") compare(inner, was[1], value, here, found);
    } else {
      if (division !== "fields") found.written.add(here);
      if (division !== "set") fieldsOf(inner, value, here, found.written);
    }
  }
  for (const [element, [inner, value]] of before) {
    const here = join(path, element);
    if (division !== "fields") found.removed.add(here);
    if (division !== "set") fieldsOf(inner, value, here, found.removed);
  }
  return found;
}
