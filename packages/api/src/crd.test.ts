import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { JsonSchema } from "./core/custom-resource-definition.ts";
import { crdOf, type OwnKind, ownCrds, structural } from "./crd.ts";
import { crdDirectory, crdFiles } from "./crd-files.ts";
import { ownKinds } from "./resources/index.ts";

test("deploy/crds is what the schemas say (run `pnpm --filter @fairlead/api crds`)", () => {
  const generated = crdFiles();
  expect(readdirSync(crdDirectory).sort()).toEqual([...generated.keys()].sort());
  for (const [name, text] of generated)
    expect(readFileSync(join(crdDirectory, name), "utf8"), name).toBe(text);
});

function* parts(schema: JsonSchema, path: string): Generator<[path: string, schema: JsonSchema]> {
  yield [path, schema];
  for (const [name, part] of Object.entries(schema.properties ?? {})) yield* parts(part, `${path}.${name}`);
  if (schema.items) yield* parts(schema.items, `${path}[]`);
  if (typeof schema.additionalProperties === "object") yield* parts(schema.additionalProperties, `${path}{}`);
}

describe.each(ownCrds().map((crd) => [crd.metadata.name, crd] as const))("%s", (_name, crd) => {
  const schema = crd.spec.versions[0]?.schema?.openAPIV3Schema ?? {};

  test("is structural: every part has one type, or says why not", () => {
    for (const [path, part] of parts(schema, "")) {
      const isFree = part["x-kubernetes-int-or-string"] || part["x-kubernetes-preserve-unknown-fields"];
      if (!isFree) expect(part.type, path).toBeDefined();
      if (part["x-kubernetes-int-or-string"]) expect(part.type, path).toBeUndefined();
      expect(part.properties !== undefined && part.additionalProperties !== undefined, path).toBe(false);
      if (part.type === "array") expect(part.items, path).toBeDefined();
      expect(Object.keys(part).filter((key) => /^(anyOf|oneOf|allOf|not|const|\$)/.test(key), path)).toEqual(
        [],
      );
    }
  });

  test("has no field both required and defaulted", () => {
    for (const [path, part] of parts(schema, ""))
      for (const name of part.required ?? [])
        expect(part.properties?.[name]?.default, `${path}.${name}`).toBeUndefined();
  });
});

test("defaults of the CRD are those the client fills in", () => {
  for (const [kind, spec] of [
    ["IPPool", { cidr: "10.0.0.0/16", blockSize: 26 }],
    ["IPAMConfiguration", {}],
    ["FelixConfiguration", {}],
    ["BGPConfiguration", {}],
    ["Tier", {}],
  ] as const) {
    const crd = crdOf(ownKinds[kind] as unknown as OwnKind);
    const properties = crd.spec.versions[0]?.schema?.openAPIV3Schema.properties?.spec?.properties ?? {};
    const defaults = Object.entries(properties).flatMap(([name, part]) =>
      part.default === undefined ? [] : [[name, part.default] as const],
    );
    const checked = ownKinds[kind].schema.check({ metadata: { name: "default" }, spec });
    expect(checked).toMatchObject({
      ok: true,
      object: { spec: { ...Object.fromEntries(defaults), ...spec } },
    });
  }
});

test("what structural schemas cannot say is left out, not mistranslated", () => {
  const schema = z.object({
    choice: z.literal("a"),
    maybe: z.string().nullish(),
    bounded: z.int().min(1).max(5).default(3),
    free: z.record(z.string(), z.unknown()),
    deep: z.object({ list: z.array(z.string()).max(2) }).prefault({ list: [] }),
  });
  expect(structural(z.toJSONSchema(schema, { io: "input", target: "openapi-3.0" }))).toEqual({
    type: "object",
    required: ["choice", "free"],
    properties: {
      choice: { type: "string", enum: ["a"] },
      maybe: { type: "string", nullable: true },
      bounded: { type: "integer", minimum: 1, maximum: 5, default: 3 },
      free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
      deep: {
        type: "object",
        required: ["list"],
        default: { list: [] },
        properties: { list: { type: "array", maxItems: 2, items: { type: "string" } } },
      },
    },
  });
});
