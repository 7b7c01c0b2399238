import protobuf from "protobufjs/light.js";
import { isObject, type Json, type JsonObject, stringifyJson } from "../json.ts";

/** The messages of gnostic's openapiv2 that Kubernetes clients read: field name, number and type; `*` repeats. */
const messages: { readonly [message: string]: { readonly [field: string]: string } } = {
  Document: { swagger: "1 string", info: "2 Info", paths: "8 Paths", definitions: "9 Definitions" },
  Info: { title: "1 string", version: "2 string" },
  Paths: { path: "2 NamedPathItem*" },
  NamedPathItem: { name: "1 string", value: "2 PathItem" },
  PathItem: {
    get: "2 Operation",
    put: "3 Operation",
    post: "4 Operation",
    delete: "5 Operation",
    patch: "8 Operation",
  },
  Operation: {
    operationId: "5 string",
    parameters: "8 ParametersItem*",
    responses: "9 Responses",
    vendorExtension: "13 NamedAny*",
  },
  ParametersItem: { parameter: "1 Parameter" },
  Parameter: { nonBodyParameter: "2 NonBodyParameter" },
  NonBodyParameter: { queryParameterSubSchema: "3 QueryParameter" },
  QueryParameter: { in: "2 string", name: "4 string", type: "6 string", uniqueItems: "20 bool" },
  Responses: { responseCode: "1 NamedResponseValue*" },
  NamedResponseValue: { name: "1 string", value: "2 ResponseValue" },
  ResponseValue: { response: "1 Response" },
  Response: { description: "1 string" },
  Definitions: { additionalProperties: "1 NamedSchema*" },
  Properties: { additionalProperties: "1 NamedSchema*" },
  NamedSchema: { name: "1 string", value: "2 Schema" },
  Schema: {
    Ref: "1 string",
    format: "2 string",
    title: "3 string",
    description: "4 string",
    multipleOf: "6 double",
    maximum: "7 double",
    exclusiveMaximum: "8 bool",
    minimum: "9 double",
    exclusiveMinimum: "10 bool",
    maxLength: "11 int64",
    minLength: "12 int64",
    pattern: "13 string",
    maxItems: "14 int64",
    minItems: "15 int64",
    uniqueItems: "16 bool",
    maxProperties: "17 int64",
    minProperties: "18 int64",
    required: "19 string*",
    enum: "20 Any*",
    additionalProperties: "21 AdditionalPropertiesItem",
    type: "22 TypeItem",
    items: "23 ItemsItem",
    properties: "25 Properties",
    vendorExtension: "31 NamedAny*",
  },
  AdditionalPropertiesItem: { schema: "1 Schema", boolean: "2 bool" },
  TypeItem: { value: "1 string*" },
  ItemsItem: { schema: "1 Schema*" },
  NamedAny: { name: "1 string", value: "2 Any" },
  Any: { yaml: "2 string" },
};

const root: { [message: string]: { fields: { [field: string]: { id: number; type: string } } } } = {};
for (const [name, fields] of Object.entries(messages))
  root[name] = {
    fields: Object.fromEntries(
      Object.entries(fields).map(([field, spec]) => {
        const [id, type] = spec.split(" ") as [string, string];
        const repeated = type.endsWith("*");
        return [
          field,
          { id: Number(id), type: type.replace("*", ""), ...(repeated ? { rule: "repeated" } : {}) },
        ];
      }),
    ),
  };
const Document = protobuf.Root.fromJSON({ nested: root }).lookupType("Document");

/** Encodes an OpenAPI v2 document (as JSON) as `openapi.v2.Document`. */
export function encodeDocument(document: JsonObject): Uint8Array {
  return Document.encode({
    swagger: document.swagger,
    info: document.info,
    paths: {
      path: entries(document.paths).map(([name, item]) => ({
        name,
        value: Object.fromEntries(entries(item).map(([method, op]) => [method, operation(op)])),
      })),
    },
    definitions: named(document.definitions),
  }).finish();
}

type Message = { [field: string]: unknown };

const entries = (value: Json | undefined): [string, JsonObject][] =>
  isObject(value) ? (Object.entries(value).filter(([, v]) => isObject(v)) as [string, JsonObject][]) : [];

const named = (definitions: Json | undefined): Message => ({
  additionalProperties: entries(definitions).map(([name, schema]) => ({ name, value: encodeSchema(schema) })),
});

// YAML is a superset of JSON.
const any = (value: Json | undefined): Message => ({ yaml: stringifyJson(value) });

const extensions = (value: JsonObject): Message[] =>
  Object.keys(value)
    .filter((key) => key.startsWith("x-"))
    .map((name) => ({ name, value: any(value[name]) }));

function operation(op: JsonObject): Message {
  const parameters = Array.isArray(op.parameters) ? op.parameters : [];
  return {
    operationId: op.operationId,
    parameters: parameters.map((parameter) => ({
      parameter: { nonBodyParameter: { queryParameterSubSchema: parameter } },
    })),
    responses: { responseCode: [{ name: "200", value: { response: { description: "OK" } } }] },
    vendorExtension: extensions(op),
  };
}

function encodeSchema(schema: JsonObject): Message {
  const { $ref, type, items, properties, additionalProperties, enum: values, ...rest } = schema;
  const message: Message = { ...rest, vendorExtension: extensions(schema) };
  // Doubles in this message, whatever an int64 could hold.
  for (const bound of ["minimum", "maximum"])
    if (typeof rest[bound] === "bigint") message[bound] = Number(rest[bound]);
  if ($ref !== undefined) message.Ref = $ref;
  if (type !== undefined) message.type = { value: [type] };
  if (isObject(items)) message.items = { schema: [encodeSchema(items)] };
  if (properties !== undefined) message.properties = named(properties);
  if (Array.isArray(values)) message.enum = values.map(any);
  if (isObject(additionalProperties))
    message.additionalProperties = { schema: encodeSchema(additionalProperties) };
  else if (additionalProperties === true) message.additionalProperties = { boolean: true };
  return message;
}
