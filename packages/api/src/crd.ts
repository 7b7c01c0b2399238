import { z } from "zod";
import type {
  CustomResourceDefinition,
  JsonSchema,
  PrinterColumn,
} from "./core/custom-resource-definition.ts";
import type { KindNames } from "./kind.ts";
import { ownKinds } from "./resources/index.ts";
import type { ResourceSchema } from "./resources/resource.ts";

/** A kind whose CRD can be generated. */
export interface OwnKind extends KindNames {
  readonly schema: ResourceSchema<z.ZodType, z.ZodType>;
}

const age: PrinterColumn = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };

/** The CustomResourceDefinition of a kind, made from its schema: types, limits, defaults, and rules the server checks. */
export function crdOf(kind: OwnKind): CustomResourceDefinition {
  const { definition } = kind.schema;
  const columns = [...(definition.columns ?? []), age];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${kind.plural}.${kind.group}` },
    spec: {
      group: kind.group,
      scope: kind.namespaced ? "Namespaced" : "Cluster",
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        ...(kind.shortNames.length > 0 ? { shortNames: [...kind.shortNames] } : {}),
        ...(definition.categories ? { categories: [...definition.categories] } : {}),
      },
      versions: [
        {
          name: kind.version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema(kind) },
          ...(kind.hasStatus ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

function objectSchema({ kind, schema }: OwnKind): JsonSchema {
  const { description, spec, status, onlyNames, rules = [], keepsUnknownFields } = schema.definition;
  const specSchema = structural(z.toJSONSchema(spec, options));
  if (keepsUnknownFields) specSchema["x-kubernetes-preserve-unknown-fields"] = true;
  const validations = [
    ...rules,
    ...(onlyNames
      ? [
          {
            rule: `self.metadata.name in ${JSON.stringify(onlyNames)}`,
            message: `Cannot create an ${kind} resource with a name other than ${onlyNames.map((name) => `"${name}"`).join(" or ")}`,
          },
        ]
      : []),
  ];
  // Where nothing is required, nothing has to be written; the inner defaults still apply.
  const isRequired = (specSchema.required?.length ?? 0) > 0;
  if (!isRequired) specSchema.default = {};
  return {
    description,
    type: "object",
    ...(isRequired ? { required: ["spec"] } : {}),
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: specSchema,
      ...(status ? { status: structural(z.toJSONSchema(status, options)) } : {}),
    },
    ...(validations.length > 0 ? { "x-kubernetes-validations": validations } : {}),
  };
}

const options = { io: "input", unrepresentable: "any", target: "openapi-3.0" } as const;

/** Keywords a structural schema may have; whatever else JSON Schema says stays behind. */
const scalars = [
  "description",
  "format",
  "default",
  "nullable",
  "pattern",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "enum",
  "x-kubernetes-int-or-string",
  "x-kubernetes-preserve-unknown-fields",
  "x-kubernetes-validations",
] as const;

type Json = Record<string, unknown>;

/** The CRDs of all our own kinds, by name. */
export function ownCrds(): CustomResourceDefinition[] {
  const crds = Object.values(ownKinds).map((kind) => crdOf(kind as unknown as OwnKind));
  return crds.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** What a Kubernetes server accepts of a JSON schema: one type per value, no alternatives. */
export function structural(schema: unknown): JsonSchema {
  const given = merged(schema as Json);
  const result: JsonSchema = {};
  if (!given["x-kubernetes-int-or-string"] && typeof given.type === "string")
    result.type = given.type as NonNullable<JsonSchema["type"]>;
  for (const keyword of scalars)
    if (given[keyword] !== undefined) Object.assign(result, { [keyword]: given[keyword] });
  if (result.enum?.length === 1 && result.type === undefined) result.type = "string";
  for (const bound of ["minimum", "maximum"] as const) {
    const value = given[bound];
    // The bounds of a double say nothing about the field.
    if (typeof value === "number" && Math.abs(value) !== Number.MAX_SAFE_INTEGER) result[bound] = value;
  }
  if (given.items !== undefined) result.items = structural(given.items);
  if (isRecord(given.properties)) {
    result.properties = mapValues(given.properties, structural);
    if (Array.isArray(given.required) && given.required.length > 0)
      result.required = given.required as string[];
  } else if (isRecord(given.additionalProperties)) {
    if (Object.keys(given.additionalProperties).length > 0)
      result.additionalProperties = structural(given.additionalProperties);
    else result["x-kubernetes-preserve-unknown-fields"] = true;
  }
  return result;
}

/** Parts joined by `allOf`, and the one type left beside null, are the schema itself. */
function merged(schema: Json): Json {
  const parts = Array.isArray(schema.allOf) ? (schema.allOf as Json[]) : [];
  const alternatives = Array.isArray(schema.anyOf) ? (schema.anyOf as Json[]) : [];
  const real = alternatives.filter((part) => part.type !== "null" && !(part.nullable === true && part.enum));
  const isNullable = real.length < alternatives.length;
  const only = real.length === 1 && isNullable ? { ...real[0], nullable: true } : {};
  return Object.assign({}, ...parts.map(merged), only, schema) as Json;
}

function mapValues(record: Json, map: (value: unknown) => JsonSchema): Record<string, JsonSchema> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
