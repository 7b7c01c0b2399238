import type { Json } from "../json.ts";

/** An OpenAPI v3 schema as Kubernetes uses it, for custom resources and, read from the client library's types, built-ins. */
export type Schema = {
  type?: string;
  format?: string;
  title?: string;
  description?: string;
  properties?: { [name: string]: Schema };
  additionalProperties?: Schema | boolean;
  items?: Schema;
  required?: string[];
  enum?: Json[];
  nullable?: boolean;
  default?: Json;
  example?: Json;
  pattern?: string;
  minimum?: number | bigint;
  maximum?: number | bigint;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  uniqueItems?: boolean;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  not?: Schema;
  externalDocs?: { description?: string; url?: string };
  "x-kubernetes-int-or-string"?: boolean;
  "x-kubernetes-preserve-unknown-fields"?: boolean;
  "x-kubernetes-embedded-resource"?: boolean;
  "x-kubernetes-list-type"?: "atomic" | "set" | "map";
  "x-kubernetes-list-map-keys"?: string[];
  "x-kubernetes-map-type"?: "atomic" | "granular";
  "x-kubernetes-patch-strategy"?: string;
  "x-kubernetes-patch-merge-key"?: string;
  "x-kubernetes-validations"?: ValidationRule[];
  /** Built-ins only: the name of the shared definition this schema is, e.g. `io.k8s.api.core.v1.Pod`. */
  definition?: string;
};

export type ValidationRule = {
  rule: string;
  message?: string;
  messageExpression?: string;
  reason?: string;
  fieldPath?: string;
  optionalOldSelf?: boolean;
};

/** The schema of a named field, or of any field of a map. Undefined: not known. */
export function fieldSchema(schema: Schema | undefined, name: string): Schema | undefined {
  if (schema === undefined) return undefined;
  const known = schema.properties?.[name];
  if (known) return known;
  const rest = schema.additionalProperties;
  return typeof rest === "object" ? rest : undefined;
}
