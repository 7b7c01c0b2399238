import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type JsonObject, listAt, stringAt } from "../json.ts";
import type { KubeObject } from "../objects.ts";
import { defineKind, definition, definitions, established, uniquePlural } from "./defined-kind.ts";
import { Client, type Subject } from "./target.ts";

const rules = (...all: JsonObject[]): JsonObject => ({ "x-kubernetes-validations": all });
const text: JsonObject = { type: "string" };
const integer: JsonObject = { type: "integer", format: "int64" };

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: "object",
  properties,
  ...more,
});

/** One CEL rule per way to use one. */
const spec = object(
  {
    cidr: { ...text, ...rules({ rule: "isCIDR(self)", message: "must be a network" }) },
    size: { ...integer, ...rules({ rule: "self >= oldSelf", message: "must not shrink" }) },
    limit: integer,
    once: {
      ...text,
      ...rules({
        rule: "!oldSelf.hasValue() || oldSelf.value() == self",
        optionalOldSelf: true,
        message: "is set once",
      }),
    },
    entries: {
      type: "array",
      "x-kubernetes-list-type": "map",
      "x-kubernetes-list-map-keys": ["name"],
      maxItems: 10,
      items: object(
        { name: text, weight: integer },
        {
          required: ["name"],
          ...rules({ rule: "self.weight >= oldSelf.weight", message: "weight only grows" }),
        },
      ),
    },
    notes: {
      type: "object",
      maxProperties: 10,
      additionalProperties: { ...text, ...rules({ rule: "self != 'bad'" }) },
    },
    "dashed-name": { type: "boolean" },
  },
  rules(
    {
      rule: "!has(self.limit) || !has(self.size) || self.size <= self.limit",
      messageExpression: "'size ' + string(self.size) + ' exceeds limit ' + string(self.limit)",
      reason: "FieldValueForbidden",
      fieldPath: ".size",
    },
    { rule: "!has(self.dashed__dash__name) || !self.dashed__dash__name", message: "no dashes" },
  ),
);
const schema = object(
  { spec },
  rules({ rule: "self.metadata.name != 'forbidden'", message: "not this name" }),
);

const deployed = (file: string): JsonObject =>
  parse(readFileSync(new URL(`../../../../deploy/crds/${file}.yaml`, import.meta.url), "utf8"));

/** x-kubernetes-validations, and the rules of our own definitions. */
export function ruleCases(subject: Subject): void {
  const open = async () => {
    const client = new Client(subject().admin);
    return { client, ...(await defineKind(client, { schema })) };
  };
  const causes = (status: JsonObject): unknown[] =>
    listAt(status, "details", "causes").map((c) => [
      stringAt(c, "reason"),
      stringAt(c, "field"),
      stringAt(c, "message"),
    ]);

  describe("CEL rules of a definition", () => {
    test.for([
      [
        { cidr: "10.0.0.0/33" },
        "FieldValueInvalid",
        "spec.cidr",
        'Invalid value: "string": must be a network',
      ],
      [{ size: 5, limit: 4 }, "FieldValueForbidden", "spec.size", "Forbidden: size 5 exceeds limit 4"],
      [{ "dashed-name": true }, "FieldValueInvalid", "spec", 'Invalid value: "object": no dashes'],
      [{ notes: { a: "bad" } }, "FieldValueInvalid", "spec.notes.a", "failed rule: self != 'bad'"],
    ] as const)("refuse %o", async ([given, reason, field, message]) => {
      const { client, path, thing } = await open();
      const status = await client.post(path, thing("a", given), 422);
      expect(causes(status)).toEqual([[reason, field, expect.stringContaining(message)]]);
    });

    test("of the whole object know its name", async () => {
      const { client, path, thing } = await open();
      const status = await client.post(path, thing("forbidden", {}), 422);
      expect(stringAt(status, "message")).toContain(
        'is invalid: <nil>: Invalid value: "object": not this name',
      );
    });

    test("accept what keeps them, with integers beyond 2^53 too", async () => {
      const { client, path, thing } = await open();
      const size = 1798000000000000123n;
      await client.post(path, thing("a", { cidr: "fd00::/64", size, limit: size, notes: { a: "good" } }));
      const status = await client.post(path, thing("b", { size, limit: size - 1n }), 422);
      expect(stringAt(status, "message")).toContain(`size ${size} exceeds limit ${size - 1n}`);
    });

    test("compare with what was there before, in fields and in items with a key", async () => {
      const { client, path, thing } = await open();
      const entries = [{ name: "e", weight: 5 }];
      await client.post(path, thing("a", { size: 5, entries, once: "x" }));
      const change = (given: JsonObject, code = 200) =>
        client.patch(`${path}/a`, "merge", { spec: given }, code);
      await change({ size: 6, entries: [{ name: "f", weight: 1 }, ...entries] });
      expect(stringAt(await change({ size: 4 }, 422), "message")).toContain("spec.size");
      expect(stringAt(await change({ once: "y" }, 422), "message")).toContain("is set once");
      const lighter = await change(
        {
          entries: [
            { name: "new", weight: 1 },
            { name: "e", weight: 4 },
          ],
        },
        422,
      );
      expect(stringAt(lighter, "message")).toContain("spec.entries[1]");
    });

    test("that do not compile are refused with their definition", async () => {
      const client = new Client(subject().admin);
      const broken = object({
        spec: object({ size: integer }, rules({ rule: "self.siez > 1" }, { rule: "self.size +" })),
      });
      const status = await client.post(definitions, definition(uniquePlural(), { schema: broken }), 422);
      const fields = listAt(status, "details", "causes").map((c) => stringAt(c, "field"));
      const place = "properties[spec].x-kubernetes-validations";
      expect(fields).toEqual(
        expect.arrayContaining([
          expect.stringContaining(`${place}[0].rule`),
          expect.stringContaining(`${place}[1].rule`),
        ]),
      );
    });
  });

  describe("our own definitions", () => {
    const install = async (file: string): Promise<{ client: Client; path: string }> => {
      const client = new Client(subject().admin);
      const crd = deployed(file);
      const answer = await client.connection.call({ method: "POST", path: definitions, body: crd });
      expect([201, 409], answer.text).toContain(answer.code);
      await established(client, `${definitions}/${file}`);
      const version = stringAt(listAt(crd, "spec", "versions")[0], "name");
      const [plural, ...group] = file.split(".");
      return { client, path: `/apis/${group.join(".")}/${version}/${plural}` };
    };
    const calico = (kind: string, name: string, given: JsonObject): JsonObject => ({
      apiVersion: "projectcalico.org/v3",
      kind,
      metadata: { name },
      spec: given,
    });

    test("keep the cidr of an IPPool", async () => {
      const { client, path } = await install("ippools.projectcalico.org");
      const pool = (await client.post(
        path,
        calico("IPPool", "immutable", { cidr: "10.9.0.0/16" }),
      )) as KubeObject;
      const changed = { ...pool, spec: { ...(pool.spec as JsonObject), cidr: "10.8.0.0/16" } };
      const status = await client.put(`${path}/immutable`, changed, 422);
      expect(stringAt(status, "message")).toBe(
        'IPPool.projectcalico.org "immutable" is invalid: <nil>: Invalid value: "object": cidr is immutable',
      );
      await client.patch(`${path}/immutable`, "merge", { spec: { disabled: true } });
      await client.delete(`${path}/immutable`);
    });

    test("know only one IPAMConfiguration", async () => {
      const { client, path } = await install("ipamconfigurations.projectcalico.org");
      const status = await client.post(
        path,
        calico("IPAMConfiguration", "other", { strictAffinity: false }),
        422,
      );
      expect(stringAt(status, "message")).toContain(
        'Cannot create an IPAMConfiguration resource with a name other than "default"',
      );
    });
  });
}
