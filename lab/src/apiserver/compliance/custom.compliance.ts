import { describe, expect, test } from "vitest";
import { type JsonObject, listAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { defineKind, definition, definitions, uniquePlural } from "./defined-kind.ts";
import { Client, eventually, type Subject } from "./target.ts";

const schema: JsonObject = {
  type: "object",
  required: ["spec"],
  properties: {
    spec: {
      type: "object",
      required: ["cidr"],
      properties: {
        cidr: { type: "string", pattern: "^[0-9a-f.:]+/[0-9]+$" },
        mode: { type: "string", enum: ["Always", "Never"], default: "Never" },
        size: { type: "integer", minimum: 20, maximum: 32, default: 26 },
        port: { "x-kubernetes-int-or-string": true },
        note: { type: "string", nullable: true },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        entries: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: {
            type: "object",
            required: ["name"],
            properties: { name: { type: "string" }, weight: { type: "integer", default: 1 } },
          },
        },
      },
    },
    status: { type: "object", properties: { ready: { type: "boolean" } } },
  },
};

const columns: JsonObject[] = [{ name: "CIDR", type: "string", jsonPath: ".spec.cidr" }];

export function customCases(subject: Subject): void {
  const open = async (subresources: JsonObject = {}) => {
    const client = new Client(subject().admin);
    return { client, ...(await defineKind(client, { schema, subresources, columns })) };
  };

  describe("custom resources", () => {
    test("are defaulted, pruned and served in every version", async () => {
      const { client, path, thing } = await open();
      const created = await client.post(
        path,
        thing("a", {
          cidr: "10.0.0.0/8",
          unknown: 1,
          free: { any: [1, { x: null }] },
          entries: [{ name: "e" }],
          note: null,
        }),
      );
      expect(created.spec).toEqual({
        cidr: "10.0.0.0/8",
        mode: "Never",
        size: 26,
        free: { any: [1, { x: null }] },
        entries: [{ name: "e", weight: 1 }],
        note: null,
      });
      const beta = (await client.get(`${path.replace("/v1/", "/v1beta1/")}/a`)) as KubeObject;
      expect(beta.apiVersion).toBe("compliance.example.org/v1beta1");
      expect(beta.metadata.uid).toBe((created as KubeObject).metadata.uid);
    });

    test.for([
      ["a pattern", { cidr: "nonsense" }, "spec.cidr", "spec.cidr in body should match"],
      ["an enum", { cidr: "::/0", mode: "Maybe" }, "spec.mode", 'Unsupported value: "Maybe"'],
      ["a minimum", { cidr: "::/0", size: 1 }, "spec.size", "should be greater than or equal to 20"],
      ["a type", { cidr: "::/0", size: "big" }, "spec.size", 'must be of type integer: "string"'],
      ["a required field", { size: 20 }, "spec.cidr", "Required value"],
      ["int or string", { cidr: "::/0", port: true }, "spec.port", "must be of type integer,string"],
      [
        "a list key",
        { cidr: "::/0", entries: [{ name: "e" }, { name: "e" }] },
        "spec.entries[1]",
        "Duplicate value",
      ],
    ] as const)("break %s and hear which field", async ([, spec, field, message]) => {
      const { client, path, thing } = await open();
      const status = await client.post(path, thing("a", spec as unknown as JsonObject), 422);
      const causes = listAt(status, "details", "causes");
      const cause = causes.find((c) => stringAt(c, "field") === field);
      expect(cause, JSON.stringify(status)).toBeDefined();
      expect(stringAt(cause, "message")).toContain(message);
    });

    test("without a status subresource are written as a whole", async () => {
      const { client, path, thing } = await open();
      const created = (await client.post(
        path,
        thing("a", { cidr: "::/0" }, { status: { ready: false } }),
      )) as KubeObject;
      const updated = (await client.put(`${path}/a`, {
        ...created,
        metadata: { ...created.metadata, labels: { l: "1" } },
        status: { ready: true },
      })) as KubeObject;
      expect(updated.status).toEqual({ ready: true });
      expect(updated.metadata.labels).toEqual({ l: "1" });
      await client.put(`${path}/a/status`, updated, 404);
    });

    test("with a status subresource keep status and spec apart, and count generations of the spec", async () => {
      const { client, path, thing } = await open({ status: {} });
      const created = (await client.post(
        path,
        thing("a", { cidr: "::/0" }, { status: { ready: true } }),
      )) as KubeObject;
      expect(created.status).toBeUndefined();
      expect(created.metadata.generation).toBe(1);
      const ready = (await client.put(`${path}/a/status`, {
        ...created,
        spec: { cidr: "10.0.0.0/8" },
        status: { ready: true },
      })) as KubeObject;
      expect(ready).toMatchObject({
        spec: { cidr: "::/0" },
        status: { ready: true },
        metadata: { generation: 1 },
      });
      const changed = (await client.patch(`${path}/a`, "merge", { spec: { size: 30 } })) as KubeObject;
      expect(changed.metadata.generation).toBe(2);
    });

    test("must be updated conditionally", async () => {
      const { client, path, thing } = await open();
      await client.post(path, thing("a", { cidr: "::/0" }));
      const status = await client.put(`${path}/a`, thing("a", { cidr: "::/0", size: 30 }), 422);
      expect(stringAt(status, "message")).toContain("metadata.resourceVersion: Invalid value: 0");
    });

    test("refuse a strategic merge patch", async () => {
      const { client, path, thing } = await open();
      await client.post(path, thing("a", { cidr: "::/0" }));
      await client.patch(`${path}/a`, "strategic", { spec: { size: 30 } }, 415);
    });

    test("print the columns of their definition", async () => {
      const { client, path, thing } = await open();
      await client.post(path, thing("a", { cidr: "10.0.0.0/8" }));
      const table = await client.get(path, 200, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
      expect(listAt(table, "columnDefinitions").map((c) => stringAt(c, "name"))).toEqual(["Name", "CIDR"]);
      expect(listAt(listAt(table, "rows")[0], "cells")).toEqual(["a", "10.0.0.0/8"]);
    });

    test("whose definition is not structural, or badly named, are refused", async () => {
      const client = new Client(subject().admin);
      const sent = definition(uniquePlural(), { schema });
      const untyped = structuredClone(schema);
      untyped.properties = { spec: { properties: { cidr: {} } } };
      sent.metadata = { name: "other.compliance.example.org" };
      const spec = sent.spec as JsonObject;
      spec.versions = [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: untyped } }];
      const status = await client.post(definitions, sent, 422);
      const fields = listAt(status, "details", "causes").map((cause) => stringAt(cause, "field"));
      expect(fields).toEqual(
        expect.arrayContaining([
          "metadata.name",
          "spec.versions[0].schema.openAPIV3Schema.properties[spec].type",
          "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[cidr].type",
        ]),
      );
    });

    test("go with their definition", async () => {
      const { client, path, crd, thing } = await open();
      await client.post(path, thing("a", { cidr: "::/0" }));
      await client.delete(crd);
      await eventually(async () =>
        (await client.connection.call({ path: crd })).code === 404 ? true : undefined,
      );
      await eventually(async () =>
        (await client.connection.call({ path })).code === 404 ? true : undefined,
      );
    });

    test("appear in discovery and in OpenAPI", async () => {
      const { client, plural } = await open();
      const list = await client.get("/apis/compliance.example.org/v1");
      expect(listAt(list, "resources").map((r) => stringAt(r, "name"))).toContain(plural);
      await eventually(async () => {
        const document = await client.connection.call({ path: "/openapi/v3/apis/compliance.example.org/v1" });
        return document.code === 200 && document.text.includes(`K${plural}`) ? true : undefined;
      }, 20_000);
    });
  });
}
