import type { Json, JsonObject } from "../json.ts";
import { model } from "../schema/models.ts";
import type { Schema } from "../schema/schema.ts";
import { definitionName } from "./names.ts";

/** Turns schemas into OpenAPI documents, collecting the shared definitions they refer to. */
export class Emitter {
  readonly definitions: { [name: string]: JsonObject } = {};
  readonly #version: 2 | 3;

  constructor(version: 2 | 3) {
    this.#version = version;
  }

  /** Adds a top-level definition under this name. */
  define(name: string, schema: Schema, extra: JsonObject = {}): void {
    this.definitions[name] = {};
    Object.assign(this.definitions[name], this.#body(schema), extra);
  }

  /** A use of a schema: a reference if it is shared, itself otherwise. */
  use(schema: Schema): JsonObject {
    if (schema.definition === undefined) return this.#body(schema);
    const name = definitionName(schema.definition);
    if (!(name in this.definitions)) {
      this.definitions[name] = {};
      Object.assign(
        this.definitions[name],
        this.#body(schema.definition === "Quantity" ? schema : model(schema.definition)),
      );
    }
    const described = schema.description === undefined ? {} : { description: schema.description };
    const facts = { ...described, ...pick(schema, patchExtensions) };
    if (this.#version === 2) return { ...facts, $ref: `#/definitions/${name}` };
    const $ref = `#/components/schemas/${name}`;
    return { ...facts, allOf: [{ $ref }] };
  }

  #body(schema: Schema): JsonObject {
    const result: JsonObject = pick(
      schema,
      this.#version === 2 ? commonKeywords : [...commonKeywords, ...keywords3],
    );
    const intOrString = schema["x-kubernetes-int-or-string"];
    if (intOrString && schema.definition === undefined) {
      delete result.type;
      if (this.#version === 3) result.oneOf = [{ type: "integer" }, { type: "string" }];
      else result.type = "string";
    }
    if (schema.definition !== undefined) delete result.default;
    if (schema["x-kubernetes-preserve-unknown-fields"] && this.#version === 2 && schema.type === "object")
      delete result.additionalProperties;
    if (schema.properties)
      result.properties = Object.fromEntries(
        Object.entries(schema.properties).map(([name, field]) => [name, this.use(field)]),
      );
    if (schema.items) result.items = this.use(schema.items);
    const rest = schema.additionalProperties;
    if (typeof rest === "object") result.additionalProperties = this.use(rest);
    if (this.#version === 3)
      for (const combination of ["allOf", "anyOf", "oneOf"] as const)
        if (schema[combination] && !intOrString)
          result[combination] = schema[combination].map((inner) => this.use(inner));
    if (this.#version === 3 && schema.not) result.not = this.use(schema.not);
    return result;
  }
}

const patchExtensions = [
  "x-kubernetes-list-type",
  "x-kubernetes-list-map-keys",
  "x-kubernetes-map-type",
  "x-kubernetes-patch-strategy",
  "x-kubernetes-patch-merge-key",
] as const;
const commonKeywords = [
  "type",
  "format",
  "title",
  "description",
  "required",
  "enum",
  "pattern",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "minProperties",
  "maxProperties",
  "uniqueItems",
  ...patchExtensions,
  "x-kubernetes-int-or-string",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-embedded-resource",
  "x-kubernetes-validations",
] as const;
const keywords3 = ["nullable", "default", "example"] as const;

function pick(schema: Schema, names: readonly (keyof Schema)[]): JsonObject {
  const result: JsonObject = {};
  for (const name of names) if (schema[name] !== undefined) result[name] = schema[name] as Json;
  return result;
}
