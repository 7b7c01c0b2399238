import protobuf from "protobufjs/minimal.js";
import { describe, expect, test } from "vitest";
import { isObject, type Json, type JsonObject, objectAt, parseJson } from "../json.ts";
import { customResources } from "../kinds/custom.ts";
import { Registry } from "../kinds/registry.ts";
import { OpenApi } from "./documents.ts";

const largest = 2n ** 63n - 1n;
const schema: JsonObject = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        port: { "x-kubernetes-int-or-string": true },
        note: { type: "string", nullable: true, pattern: "^a" },
        count: { type: "integer", maximum: largest },
      },
    },
  },
};
const things = customResources({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "things.example.org" },
  spec: {
    group: "example.org",
    scope: "Namespaced",
    names: { plural: "things", kind: "Thing", listKind: "ThingList" },
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: schema } }],
  },
});

function open(): OpenApi {
  const registry = new Registry();
  registry.replace("example.org/things", things);
  return new OpenApi(registry);
}

const document = (bytes: Buffer | undefined): JsonObject => parseJson(String(bytes)) as JsonObject;

function* references(value: Json | undefined): Iterable<string> {
  if (Array.isArray(value)) for (const item of value) yield* references(item);
  else if (isObject(value))
    for (const [name, member] of Object.entries(value))
      if (name === "$ref" && typeof member === "string") yield member;
      else yield* references(member);
}

describe("OpenAPI documents", () => {
  test("of version 2 refer only to what they define", () => {
    const swagger = document(open().swagger());
    const definitions = objectAt(swagger, "definitions")!;
    const missing = [...references(swagger)].filter((ref) => !definitions[ref.replace("#/definitions/", "")]);
    expect(missing).toEqual([]);
    expect(Object.keys(definitions)).toContain("io.k8s.api.core.v1.Pod");
  });

  test("of version 3 refer only to what they define, group by group", () => {
    const api = open();
    const paths = Object.keys(objectAt(api.index(), "paths")!);
    expect(paths).toEqual(expect.arrayContaining(["api/v1", "apis/apps/v1", "apis/example.org/v1"]));
    for (const path of paths) {
      const group = document(api.group(path));
      const schemas = objectAt(group, "components", "schemas")!;
      const missing = [...references(group)].filter(
        (ref) => !schemas[ref.replace("#/components/schemas/", "")],
      );
      expect(missing, path).toEqual([]);
    }
    expect(api.group("apis/nowhere/v1")).toBeUndefined();
  });

  test("keep the bounds of integers exact in JSON", () => {
    expect(String(open().group("apis/example.org/v1"))).toContain(`"maximum":${largest}`);
  });

  test("in protobuf name the same definitions as in JSON, with the same properties", () => {
    const api = open();
    const definitions = objectAt(document(api.swagger()), "definitions")!;
    const found = new Map<string, string[]>();
    for (const definition of fields(api.swaggerProtobuf(), 9).flatMap((all) => fields(all, 1))) {
      const properties = fields(definition, 2)
        .flatMap((s) => fields(s, 25))
        .flatMap((p) => fields(p, 1));
      found.set(name(definition), properties.map(name).sort());
    }
    const expected = Object.entries(definitions).map(([key, value]): [string, string[]] => [
      key,
      Object.keys(objectAt(value, "properties") ?? {}).sort(),
    ]);
    expect([...found].sort()).toEqual(expected.sort());
  });
});

/** The contents of a message's fields with this number. */
function fields(message: Uint8Array, number: number): Uint8Array[] {
  const reader = protobuf.Reader.create(message);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag >>> 3 === number && (tag & 7) === 2) found.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return found;
}

const name = (message: Uint8Array): string => Buffer.from(fields(message, 1)[0] ?? []).toString();
