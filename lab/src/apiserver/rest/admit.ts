import { isObject, type Json, type JsonObject } from "../json.ts";
import { validateAnnotations, validateLabels, validateName } from "../kinds/names.ts";
import { apiVersionOf, type Resource } from "../kinds/resource.ts";
import type { KubeObject } from "../objects.ts";
import { model } from "../schema/models.ts";
import { applyDefaults, prune } from "../schema/prune.ts";
import type { Schema } from "../schema/schema.ts";
import { typeOf, validate } from "../schema/validate.ts";
import { badRequest, type FieldError, invalid } from "../status.ts";
import type { Call } from "./api.ts";

/** Checks kind and API version, drops what the schema does not know, fills in defaults. */
export function decode(call: Call, body: Json | undefined): KubeObject {
  const { resource } = call;
  if (!isObject(body)) throw badRequest("the request body is not an object");
  const object = pruneUnknown(call, body);
  applyDefaults(resource.schema(), object);
  return object;
}

/** Checks kind, API version and types, and drops what the schema does not know. */
export function pruneUnknown(call: Call, body: JsonObject): KubeObject {
  const { resource } = call;
  const wanted = apiVersionOf(resource);
  if (body.apiVersion === undefined && body.kind === undefined && !resource.custom) {
    body.apiVersion = wanted;
    body.kind = resource.kind;
  }
  if (body.kind !== resource.kind)
    throw badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: the object provided is unrecognized (must be of type ${resource.kind}): kind is ${JSON.stringify(body.kind ?? "")}`,
    );
  if (body.apiVersion !== wanted)
    throw badRequest(
      `the API version in the data (${String(body.apiVersion)}) does not match the expected API version (${wanted})`,
    );
  if (body.metadata === undefined || body.metadata === null) body.metadata = {};
  const object = body as KubeObject;
  const unknown: string[] = [];
  const schema = resource.schema();
  if (!resource.custom) requireTypes(resource, schema, object);
  else requireTypes(resource, metadataSchema(), object.metadata, "metadata");
  prune(metadataSchema(), object.metadata, { dropNulls: true, unknown }, "metadata");
  pruneBody(resource, schema, object, unknown);
  report(call, unknown);
  return object;
}

const metadataSchema = (): Schema => model("V1ObjectMeta");

function pruneBody(resource: Resource, schema: Schema, object: KubeObject, unknown: string[]): void {
  const { apiVersion, kind, metadata } = object;
  prune(schema, object, { dropNulls: !resource.custom, unknown });
  object.apiVersion = apiVersion;
  object.kind = kind;
  object.metadata = metadata;
}

function report(call: Call, unknown: readonly string[]): void {
  const fields = unknown.filter((path) => !["apiVersion", "kind", "metadata"].includes(path));
  if (fields.length === 0 || call.fieldValidation === "Ignore") return;
  const messages = fields.map((path) => `unknown field ${JSON.stringify(path)}`);
  if (call.fieldValidation === "Strict")
    throw badRequest(
      `${call.resource.kind} in version "${call.resource.version}" cannot be handled as a ${call.resource.kind}: strict decoding error: ${messages.join(", ")}`,
    );
  call.warnings.push(...messages);
}

/** A built-in kind is decoded into typed structs, so a wrong type is a bad request, not an invalid value. */
function requireTypes(resource: Resource, schema: Schema, value: Json | undefined, path = ""): void {
  if (value === null || value === undefined) return;
  const expected = schema["x-kubernetes-int-or-string"] ? undefined : schema.type;
  const actual = typeOf(value);
  if (expected !== undefined && actual !== expected && !(expected === "number" && actual === "integer"))
    throw badRequest(
      `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: json: cannot unmarshal ${actual} into Go struct field ${resource.kind}.${path} of type ${expected}`,
    );
  if (Array.isArray(value)) {
    if (schema.items) for (const item of value) requireTypes(resource, schema.items, item, path);
  } else if (isObject(value)) {
    const rest = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
    for (const name in value) {
      const field = schema.properties?.[name] ?? rest;
      if (field) requireTypes(resource, field, value[name], path === "" ? name : `${path}.${name}`);
    }
  }
}

/** Judges a new or changed object; throws 422 with every cause. */
export function requireValid(call: Call, object: KubeObject, old?: KubeObject): void {
  const { resource } = call;
  const errors: FieldError[] = [];
  if (old === undefined) errors.push(...validateName(object.metadata.name, resource.nameRule));
  if (object.metadata.labels) errors.push(...validateLabels(object.metadata.labels, "metadata.labels"));
  if (object.metadata.annotations) errors.push(...validateAnnotations(object.metadata.annotations));
  validate(resource.schema(), object as JsonObject, "", errors);
  if (errors.length === 0) {
    errors.push(...(resource.strategy.validate?.(object, old) ?? []));
    if (old) errors.push(...(resource.strategy.validateUpdate?.(object, old) ?? []));
  }
  if (errors.length > 0) throw invalid(resource, object.metadata.name, errors);
  call.warnings.push(...(resource.strategy.warnings?.(object) ?? []));
}
