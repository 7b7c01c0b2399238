import { isObject, type Json, sameJson } from "../json.ts";
import { fieldSchema, type Schema, type ValidationRule } from "../schema/schema.ts";
import { type FieldError, fieldError } from "../status.ts";
import { kubernetesCel } from "./environment.ts";
import { type Expression, failure } from "./expression.ts";
import type { Rules } from "./rules.ts";
import { toCel } from "./values.ts";

const optionals = kubernetesCel.clone().registerVariable("value", "dyn");
const [some, none] = [optionals.parse("optional.of(value)"), optionals.parse("optional.none()")];

/** Every rule that `value` breaks; `old` is what it replaces. */
export function checkRules(
  rules: Rules,
  value: Json,
  old: Json | undefined,
  path = "",
  errors: FieldError[] = [],
): FieldError[] {
  if (value === null) return errors;
  checkOwn(rules, value, old, path, errors);
  if (Array.isArray(value)) {
    const { items } = rules;
    if (items)
      value.forEach(
        (item, i) => void checkRules(items, item, before(rules.schema, item, old), `${path}[${i}]`, errors),
      );
  } else if (isObject(value))
    for (const [name, member] of Object.entries(value)) {
      const inner = rules.fields.get(name) ?? (rules.schema.properties?.[name] ? undefined : rules.values);
      if (inner === undefined || member === undefined) continue;
      checkRules(
        inner,
        member,
        isObject(old) ? old[name] : undefined,
        path === "" ? name : `${path}.${name}`,
        errors,
      );
    }
  return errors;
}

/** The item of the old list that this one follows: lists of maps have keys, others have no memory. */
function before(schema: Schema, item: Json, old: Json | undefined): Json | undefined {
  const keys = schema["x-kubernetes-list-map-keys"];
  if (schema["x-kubernetes-list-type"] !== "map" || !keys || !isObject(item) || !Array.isArray(old))
    return undefined;
  return old.find(
    (other) =>
      isObject(other) && keys.every((key) => sameJson(keyOf(schema, other, key), keyOf(schema, item, key))),
  );
}

const keyOf = (
  schema: Schema,
  item: { readonly [key: string]: Json | undefined },
  key: string,
): Json | undefined => item[key] ?? fieldSchema(schema.items, key)?.default;

function checkOwn(
  { own, schema, isRoot }: Rules,
  value: Json,
  old: Json | undefined,
  path: string,
  errors: FieldError[],
): void {
  if (own.length === 0) return;
  const had = old !== undefined && old !== null;
  const self = toCel(value, schema, isRoot);
  const oldSelf = had ? toCel(old, schema, isRoot) : undefined;
  const isUnchanged = had && sameJson(value, old);
  for (const { source, holds, message, comparesOld } of own) {
    // What was accepted once may stay as it is when a definition grows a rule.
    if (comparesOld ? !had && !source.optionalOldSelf : isUnchanged) continue;
    const context = {
      self,
      oldSelf: source.optionalOldSelf ? (had ? some({ value: oldSelf }) : none({})) : oldSelf,
    };
    const where = path + (source.fieldPath ?? "");
    const field = where.replace(/^\./, "") || "<nil>";
    try {
      if (holds(context) !== true)
        errors.push(broken(source, field, schema, said(message, context) ?? explanation(source)));
    } catch (error) {
      errors.push(
        fieldError.invalid(
          field,
          schema.type ?? "",
          `${failure(error)} evaluating rule: ${explanation(source)}`,
        ),
      );
    }
  }
}

const explanation = ({ message, rule }: ValidationRule): string => message ?? `failed rule: ${rule.trim()}`;

/** A message that cannot be made, or says nothing, or more than a line, gives way to the plain one. */
function said(
  message: Expression | undefined,
  context: { readonly [name: string]: unknown },
): string | undefined {
  if (message === undefined) return undefined;
  try {
    const text = String(message(context)).trim();
    return text === "" || text.includes("\n") ? undefined : text;
  } catch {
    return undefined;
  }
}

function broken({ reason }: ValidationRule, field: string, schema: Schema, message: string): FieldError {
  switch (reason) {
    case "FieldValueForbidden":
      return fieldError.forbidden(field, message);
    case "FieldValueRequired":
      return fieldError.required(field, message);
    case "FieldValueDuplicate":
      return fieldError.duplicate(field, schema.type ?? "");
    default:
      // Not the value: that may be large.
      return fieldError.invalid(field, schema.type ?? "", message);
  }
}
