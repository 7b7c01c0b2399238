import { isObject, type Json, sameJson, stringifyJson } from "../json.ts";
import { type FieldError, fieldError } from "../status.ts";
import { matchesFormat } from "./formats.ts";
import { fieldSchema, type Schema } from "./schema.ts";

const patterns = new Map<string, RegExp>();

function regular(pattern: string): RegExp {
  let compiled = patterns.get(pattern);
  if (compiled === undefined) {
    compiled = new RegExp(pattern, "u");
    patterns.set(pattern, compiled);
  }
  return compiled;
}

export function typeOf(value: Json): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "bigint") return "integer";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

const hasType = (value: Json, type: string): boolean => {
  const actual = typeOf(value);
  return actual === type || (type === "number" && actual === "integer");
};

/** Every way in which `value` breaks the schema, with the messages of a real API server. */
export function validate(schema: Schema, value: Json, path = "", errors: FieldError[] = []): FieldError[] {
  const field = path === "" ? "<nil>" : path;
  const body = path === "" ? "" : `${path} `;
  const wrong = (detail: string): void => {
    errors.push(fieldError.invalid(field, value, `${body}in body ${detail}`));
  };
  if (value === null && schema.nullable) return errors;
  if (schema["x-kubernetes-int-or-string"]) {
    if (typeof value !== "string" && typeOf(value) !== "integer") {
      errors.push(
        fieldError.type(
          field,
          typeOf(value),
          `${body}in body must be of type integer,string: "${typeOf(value)}"`,
        ),
      );
      return errors;
    }
  } else if (schema.type !== undefined && !hasType(value, schema.type)) {
    const actual = typeOf(value);
    errors.push(fieldError.type(field, actual, `${body}in body must be of type ${schema.type}: "${actual}"`));
    return errors;
  }
  if (schema.enum && !schema.enum.some((allowed) => sameJson(allowed, value)))
    errors.push(fieldError.notSupported(field, value, schema.enum));
  if (typeof value === "string") validateString(schema, value, field, errors, wrong);
  else if (typeof value === "number" || typeof value === "bigint") validateNumber(schema, value, wrong);
  else if (Array.isArray(value)) validateList(schema, value, path, errors, wrong);
  else if (isObject(value)) {
    const count = Object.keys(value).length;
    if (schema.maxProperties !== undefined && count > schema.maxProperties)
      errors.push(fieldError.tooMany(field, count, schema.maxProperties));
    if (schema.minProperties !== undefined && count < schema.minProperties)
      wrong(`should have at least ${schema.minProperties} properties`);
    for (const name of schema.required ?? [])
      if (value[name] === undefined) errors.push(fieldError.required(path === "" ? name : `${path}.${name}`));
    for (const name in value) {
      const inner = fieldSchema(schema, name);
      const item = value[name];
      if (inner && item !== undefined) validate(inner, item, child(path, name), errors);
    }
  }
  validateCombinations(schema, value, path, field, errors);
  return errors;
}

function child(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function validateString(
  schema: Schema,
  value: string,
  field: string,
  errors: FieldError[],
  wrong: (detail: string) => void,
): void {
  const length = schema.maxLength ?? schema.minLength;
  if (length !== undefined) {
    const characters = [...value].length;
    if (schema.maxLength !== undefined && characters > schema.maxLength)
      errors.push(fieldError.tooLong(field, schema.maxLength));
    if (schema.minLength !== undefined && characters < schema.minLength)
      wrong(`should be at least ${schema.minLength} chars long`);
  }
  if (schema.pattern !== undefined && !regular(schema.pattern).test(value))
    wrong(`should match '${schema.pattern}'`);
  if (schema.format !== undefined && !matchesFormat(schema.format, value))
    errors.push(
      fieldError.invalid(field, value, `${field} in body must be of type ${schema.format}: "${value}"`),
    );
}

const ranges: { readonly [format: string]: readonly [lowest: bigint, highest: bigint] } = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
};

function isMultiple(value: number | bigint, of: number): boolean {
  return typeof value === "bigint" && Number.isInteger(of)
    ? value % BigInt(of) === 0n
    : Number(value) % of === 0;
}

function validateNumber(schema: Schema, value: number | bigint, wrong: (detail: string) => void): void {
  const { minimum, maximum } = schema;
  const range = schema.type === "integer" ? ranges[schema.format ?? ""] : undefined;
  if (range && (value < range[0] || value > range[1]))
    wrong(`must be of type integer with format ${schema.format}`);
  if (minimum !== undefined) {
    if (schema.exclusiveMinimum && value <= minimum) wrong(`should be greater than ${minimum}`);
    else if (value < minimum) wrong(`should be greater than or equal to ${minimum}`);
  }
  if (maximum !== undefined) {
    if (schema.exclusiveMaximum && value >= maximum) wrong(`should be less than ${maximum}`);
    else if (value > maximum) wrong(`should be less than or equal to ${maximum}`);
  }
  if (schema.multipleOf !== undefined && !isMultiple(value, schema.multipleOf))
    wrong(`should be a multiple of ${schema.multipleOf}`);
}

function validateList(
  schema: Schema,
  value: Json[],
  path: string,
  errors: FieldError[],
  wrong: (detail: string) => void,
): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems)
    errors.push(fieldError.tooMany(path, value.length, schema.maxItems));
  if (schema.minItems !== undefined && value.length < schema.minItems)
    wrong(`should have at least ${schema.minItems} items`);
  if (schema.items) value.forEach((item, i) => void validate(schema.items!, item, `${path}[${i}]`, errors));
  const kind = schema["x-kubernetes-list-type"];
  if (kind !== "set" && kind !== "map") return;
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const seen = new Set<string>();
  value.forEach((item, i) => {
    const key =
      kind === "set" || !isObject(item) ? item : Object.fromEntries(keys.map((name) => [name, item[name]]));
    const text = stringifyJson(key);
    if (seen.has(text)) errors.push(fieldError.duplicate(`${path}[${i}]`, key));
    seen.add(text);
  });
}

function validateCombinations(
  schema: Schema,
  value: Json,
  path: string,
  field: string,
  errors: FieldError[],
): void {
  const passes = (inner: Schema): boolean => validate(inner, value, path).length === 0;
  for (const inner of schema.allOf ?? []) validate(inner, value, path, errors);
  if (schema.anyOf && !schema.anyOf.some(passes))
    errors.push(
      fieldError.invalid(field, typeOf(value), `"${path}" must validate at least one schema (anyOf)`),
    );
  if (schema.oneOf && schema.oneOf.filter(passes).length !== 1)
    errors.push(
      fieldError.invalid(field, typeOf(value), `"${path}" must validate one and only one schema (oneOf)`),
    );
  if (schema.not && passes(schema.not))
    errors.push(fieldError.invalid(field, typeOf(value), `"${path}" must not validate the schema (not)`));
}
