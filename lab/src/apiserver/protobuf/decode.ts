import protobuf from "protobufjs/minimal.js";
import type { Json, JsonObject } from "../json.ts";
import { model } from "../schema/models.ts";
import type { Schema } from "../schema/schema.ts";
import { badRequest, StatusError } from "../status.ts";
import { fieldNumbers } from "./field-numbers.ts";

/** Every Kubernetes protobuf body starts with these bytes, then comes a runtime.Unknown. */
const magic = Buffer.from("k8s\0");

type Reader = InstanceType<typeof protobuf.Reader>;

interface Layout {
  readonly fields: ReadonlyMap<number, string>;
  /** Numbers of messages whose fields belong to the parent. */
  readonly inline: ReadonlyMap<number, string>;
}

const layouts = new Map<string, Layout | undefined>();

function layoutOf(name: string): Layout | undefined {
  if (!layouts.has(name)) {
    const text = fieldNumbers[name];
    if (text === undefined) return undefined;
    const pairs = text.split(" ").map((part) => part.split("=") as [string, string]);
    const inline = new Map<number, string>();
    const fields = new Map<number, string>();
    for (const [field, number] of pairs) (field.startsWith(">") ? inline : fields).set(Number(number), field);
    layouts.set(name, { fields, inline });
  }
  return layouts.get(name);
}

/**
 * Reads a built-in object that a client sent as `application/vnd.kubernetes.protobuf`, as kubectl does from version 1.32.
 * Throws BadRequest for a body that is not one, or of a kind whose layout is not known here.
 */
export function decodeProtobuf(body: Buffer, schemaOf: SchemaOf): JsonObject {
  if (!body.subarray(0, 4).equals(magic))
    throw badRequest("provided data does not appear to be a protobuf message, expected prefix k8s\\0");
  try {
    return unknownObject(protobuf.Reader.create(body.subarray(4)), schemaOf);
  } catch (error) {
    // The reader's own complaint about a message that ends too early or has no known wire type.
    if (error instanceof StatusError) throw error;
    throw badRequest(`the protobuf message cannot be read: ${(error as Error).message}`);
  }
}

type SchemaOf = (apiVersion: string, kind: string) => Schema | undefined;

/** runtime.Unknown: the kind of an object, and its bytes. */
function unknownObject(unknown: Reader, schemaOf: SchemaOf): JsonObject {
  let apiVersion = "";
  let kind = "";
  let raw: Uint8Array = new Uint8Array();
  eachField(unknown, (number) => {
    if (number === 2) raw = unknown.bytes();
    else if (number === 1) {
      const typeMeta = nested(unknown);
      eachField(typeMeta, (n) => {
        if (n === 1) apiVersion = typeMeta.string();
        else if (n === 2) kind = typeMeta.string();
        else return false;
        return true;
      });
    } else return false;
    return true;
  });
  const schema = schemaOf(apiVersion, kind);
  if (schema?.definition === undefined || !layoutOf(schema.definition))
    throw badRequest(`${apiVersion} ${kind} cannot be read as protobuf here: send JSON`);
  return { apiVersion, kind, ...message(protobuf.Reader.create(raw), schema.definition, schema) };
}

function eachField(reader: Reader, read: (number: number) => boolean): void {
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (!read(tag >>> 3)) reader.skipType(tag & 7);
  }
}

const nested = (reader: Reader): Reader => protobuf.Reader.create(reader.bytes());

function message(reader: Reader, layoutName: string, schema: Schema): JsonObject {
  const layout = layoutOf(layoutName);
  const result: JsonObject = {};
  if (!layout) return result;
  eachField(reader, (number) => {
    const inline = layout.inline.get(number);
    if (inline) {
      Object.assign(result, message(nested(reader), inline, schema));
      return true;
    }
    const name = layout.fields.get(number);
    const field = name === undefined ? undefined : schema.properties?.[name];
    if (name === undefined || field === undefined) return false;
    read(reader, name, field, result);
    return true;
  });
  for (const [name, value] of Object.entries(result))
    if (isUnset(name, value) && !schema.required?.includes(name)) delete result[name];
  return result;
}

/** Go writes fields that are not pointers even when they are empty. */
function isUnset(name: string, value: Json | undefined): boolean {
  if (value === "" || value === null) return true;
  return (value === 0 || value === false) && !pointers.has(name);
}

/** Fields where zero or false is said on purpose. */
const pointers = new Set([
  "replicas",
  "terminationGracePeriodSeconds",
  "gracePeriodSeconds",
  "automountServiceAccountToken",
  "enableServiceLinks",
  "orphanDependents",
  "revisionHistoryLimit",
  "optional",
  "immutable",
  "controller",
  "blockOwnerDeletion",
  "runAsNonRoot",
  "runAsUser",
  "runAsGroup",
  "fsGroup",
  "allowPrivilegeEscalation",
  "readOnlyRootFilesystem",
  "privileged",
  "allocateLoadBalancerNodePorts",
  "tolerationSeconds",
  "defaultMode",
  "ready",
  "serving",
  "terminating",
]);

function read(reader: Reader, name: string, schema: Schema, into: JsonObject): void {
  if (schema.type === "array") {
    const list = into[name];
    const item = one(reader, schema.items ?? {});
    if (Array.isArray(list)) list.push(item);
    else into[name] = [item];
  } else if (schema.definition === undefined && typeof schema.additionalProperties === "object") {
    const values = schema.additionalProperties;
    const entry = nested(reader);
    let key = "";
    let value: Json = "";
    eachField(entry, (number) => {
      if (number === 1) key = entry.string();
      else if (number === 2) value = one(entry, values);
      else return false;
      return true;
    });
    const map = into[name];
    into[name] = { ...(typeof map === "object" && !Array.isArray(map) ? map : {}), [key]: value };
  } else into[name] = one(reader, schema);
}

function one(reader: Reader, schema: Schema): Json {
  if (schema.definition === "Quantity") return firstString(nested(reader), 1);
  if (schema["x-kubernetes-int-or-string"]) return intOrString(nested(reader));
  if (schema.definition !== undefined)
    return message(nested(reader), schema.definition, model(schema.definition));
  switch (schema.type) {
    case "string":
      if (schema.format === "date-time") return time(nested(reader));
      return schema.format === "byte" ? Buffer.from(reader.bytes()).toString("base64") : reader.string();
    case "boolean":
      return reader.bool();
    case "integer":
      return integer(reader.int64());
    case "number":
      return reader.double();
    default:
      reader.bytes();
      return null;
  }
}

/** Exact: the reader gives what a double would round as a Long, high and low half. */
function integer(value: number | { readonly high: number; readonly low: number }): Json {
  if (typeof value === "number") return value;
  const exact = (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);
  const number = Number(exact);
  return Number.isSafeInteger(number) ? number : exact;
}

function firstString(reader: Reader, wanted: number): string {
  let text = "";
  eachField(reader, (number) => {
    if (number !== wanted) return false;
    text = reader.string();
    return true;
  });
  return text;
}

function intOrString(reader: Reader): Json {
  let isText = false;
  let number: Json = 0;
  let text = "";
  eachField(reader, (field) => {
    if (field === 1) isText = reader.int64().toString() === "1";
    else if (field === 2) number = Number(reader.int64());
    else if (field === 3) text = reader.string();
    else return false;
    return true;
  });
  return isText ? text : number;
}

/** metav1.Time: seconds since the epoch; null for Go's zero time. */
function time(reader: Reader): Json {
  let seconds = 0;
  eachField(reader, (number) => {
    if (number !== 1) return false;
    seconds = Number(reader.int64());
    return true;
  });
  return seconds === 0 ? null : `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
