import { describe, expect, test } from "vitest";
import { at, type Json, type JsonObject, listAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { type DefinedKind, defineKind } from "./defined-kind.ts";
import { Client, type PatchType, type Subject } from "./target.ts";

const integer = { type: "integer", format: "int64" };
const schema: JsonObject = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      properties: {
        sequence: { ...integer, minimum: 0 },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        seen: { type: "array", items: integer, "x-kubernetes-list-type": "set" },
      },
    },
  },
};
const columns: JsonObject[] = [
  { name: "Sequence", type: "integer", jsonPath: ".spec.sequence" },
  { name: "Text", type: "string", jsonPath: ".spec.sequence" },
];

/** Nanoseconds since 1970, as an IPAM block counts them: a double would make both 1798000000000000000. */
const first = 1798000000000000123n;
const next = 1798000000000000124n;
const largest = 2n ** 63n - 1n;

/** An int64 means the same to every reader, however it came in and whichever way it goes out. */
export function integerCases(subject: Subject): void {
  const open = async (): Promise<{ client: Client } & DefinedKind> => {
    const client = new Client(subject().admin);
    return { client, ...(await defineKind(client, { schema, columns })) };
  };
  const sequence = (object: Json): Json | undefined => at(object, "spec", "sequence");

  describe("integers beyond 2^53", () => {
    test("come back as they were created, read, listed and replaced", async () => {
      const { client, path, thing } = await open();
      const spec = { sequence: first, free: { deep: [largest, -largest] }, seen: [first, next] };
      const created = (await client.post(path, thing("a", spec))) as KubeObject;
      expect(created.spec).toEqual(spec);
      expect((await client.get(`${path}/a`)).spec).toEqual(spec);
      expect(listAt(await client.get(path), "items").map(sequence)).toEqual([first]);
      const replaced = await client.put(`${path}/a`, { ...created, spec: { ...spec, sequence: next } });
      expect(sequence(replaced)).toBe(next);
      expect(at(replaced, "metadata", "generation")).toBe(2);
    });

    test("differ from the double nearest to them, and not from themselves", async () => {
      const { client, path, thing } = await open();
      const created = (await client.post(path, thing("a", { sequence: first }))) as KubeObject;
      const same = (await client.put(`${path}/a`, created)) as KubeObject;
      expect(same.metadata.resourceVersion).toBe(created.metadata.resourceVersion);
      const other = await client.put(`${path}/a`, { ...created, spec: { sequence: next } });
      expect(at(other, "metadata", "resourceVersion")).not.toBe(created.metadata.resourceVersion);
    });

    const patches: readonly (readonly [PatchType, JsonObject | JsonObject[]])[] = [
      ["merge", { spec: { sequence: next } }],
      ["json", [{ op: "replace", path: "/spec/sequence", value: next }]],
      [
        "json",
        [
          { op: "test", path: "/spec/sequence", value: first },
          { op: "copy", from: "/spec/seen/0", path: "/spec/sequence" },
        ],
      ],
    ];
    test.for(patches)("are exact in a %s patch", async ([type, patch]) => {
      const { client, path, thing } = await open();
      await client.post(path, thing("a", { sequence: first, seen: [next] }));
      const patched = await client.patch(`${path}/a`, type, patch);
      expect(sequence(patched)).toBe(next);
      expect(sequence(await client.get(`${path}/a`))).toBe(next);
    });

    test("are told apart by the test of a JSON patch", async () => {
      const { client, path, thing } = await open();
      await client.post(path, thing("a", { sequence: first }));
      const wrong = [{ op: "test", path: "/spec/sequence", value: next }];
      await client.patch(`${path}/a`, "json", wrong, 422);
    });

    test("are applied exactly, owned, and in conflict only when they differ", async () => {
      const { client, path, thing } = await open();
      const as = (manager: string) => `${path}/a?fieldManager=${manager}`;
      const applied = await client.patch(
        as("one"),
        "apply",
        thing("a", { sequence: first, seen: [first] }),
        201,
      );
      expect(applied.spec).toEqual({ sequence: first, seen: [first] });
      await client.patch(as("two"), "apply", thing("a", { sequence: first, seen: [next] }));
      const status = await client.patch(as("three"), "apply", thing("a", { sequence: next }), 409);
      expect(stringAt(status, "message")).toContain(".spec.sequence");
      expect((await client.get(`${path}/a`)).spec).toEqual({ sequence: first, seen: [first, next] });
    });

    test("reach watchers", async () => {
      const { client, path, thing } = await open();
      const version = stringAt(await client.get(path), "metadata", "resourceVersion");
      await client.post(path, thing("a", { sequence: first }));
      await client.patch(`${path}/a`, "merge", { spec: { sequence: next } });
      const seen: (Json | undefined)[] = [];
      const watch = `${path}?watch=true&resourceVersion=${version}`;
      for await (const { object } of client.connection.watch(watch, AbortSignal.timeout(30_000)))
        if (seen.push(sequence(object)) === 2) break;
      expect(seen).toEqual([first, next]);
    });

    test("may be written as YAML and read as YAML", async () => {
      const { client, path, plural } = await open();
      const body = `apiVersion: compliance.example.org/v1\nkind: K${plural}\nmetadata: { name: a }\nspec: { sequence: ${first}, seen: [1] }\n`;
      const headers = { "content-type": "application/yaml" };
      const answer = await client.connection.call({ method: "POST", path, body, headers });
      expect(answer.code, answer.text).toBe(201);
      expect(answer.json.spec).toEqual({ sequence: first, seen: [1] });
      const yaml = await client.connection.call({
        path: `${path}/a`,
        headers: { accept: "application/yaml" },
      });
      expect(yaml.text).toContain(`sequence: ${first}\n`);
    });

    test("stand exactly in printed columns", async () => {
      const { client, path, thing } = await open();
      await client.post(path, thing("a", { sequence: first }));
      const table = await client.get(path, 200, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
      expect(listAt(listAt(table, "rows")[0], "cells")).toEqual(["a", first, String(first)]);
    });

    test("are checked against the schema, and named exactly in the error", async () => {
      const { client, path, thing } = await open();
      const status = await client.post(path, thing("a", { sequence: -first }), 422);
      expect(stringAt(status, "message")).toContain(String(-first));
      const twice = await client.post(path, thing("a", { seen: [first, next, first] }), 422);
      expect(stringAt(twice, "message")).toContain("spec.seen[2]: Duplicate value");
    });
  });
}
