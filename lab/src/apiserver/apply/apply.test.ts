import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Json, JsonObject } from "../json.ts";
import { model } from "../schema/models.ts";
import { compare } from "./compare.ts";
import { decodeFields, encodeFields } from "./fields-v1.ts";
import { mergeApplied, removeFields } from "./merge.ts";
import { fieldsOf, printPath } from "./path.ts";

const schema = model("V1PodSpec");

const podSpec = fc.record(
  {
    nodeName: fc.constantFrom("a", "b"),
    nodeSelector: fc.dictionary(fc.constantFrom("x", "y"), fc.constantFrom("1", "2")),
    containers: fc.uniqueArray(
      fc.record(
        {
          name: fc.constantFrom("a", "b", "c"),
          image: fc.constantFrom("i", "j"),
          ports: fc.uniqueArray(
            fc.record({
              containerPort: fc.integer({ min: 1, max: 3 }),
              protocol: fc.constantFrom("TCP", "UDP"),
            }),
            {
              selector: (port) => `${port.containerPort}${port.protocol}`,
            },
          ),
        },
        { requiredKeys: ["name"] },
      ),
      { selector: (container) => container.name },
    ),
    tolerations: fc.array(fc.record({ key: fc.constantFrom("k", "l") })),
  },
  { requiredKeys: [] },
);

describe("field sets", () => {
  test("survive being written as FieldsV1", () => {
    fc.assert(
      fc.property(podSpec, (spec) => {
        const fields = fieldsOf(schema, spec as JsonObject);
        const text = JSON.stringify(encodeFields(fields));
        expect(new Set(decodeFields(JSON.parse(text)))).toEqual(fields);
      }),
    );
  });

  test("name list items by their keys, with the key's default, and atomic values as a whole", () => {
    const fields = fieldsOf(schema, {
      containers: [{ name: "a", ports: [{ containerPort: 80 }] }],
      tolerations: [{ key: "k" }],
      nodeSelector: { x: "1" },
    });
    expect([...fields].map(printPath).sort()).toMatchInlineSnapshot(`
      [
        ".containers[name="a"]",
        ".containers[name="a"].name",
        ".containers[name="a"].ports[containerPort=80,protocol="TCP"]",
        ".containers[name="a"].ports[containerPort=80,protocol="TCP"].containerPort",
        ".nodeSelector",
        ".tolerations",
      ]
    `);
  });
});

describe("applying", () => {
  test("a configuration makes every one of its fields true and keeps those it does not mention", () => {
    fc.assert(
      fc.property(podSpec, podSpec, (live, applied) => {
        const merged = mergeApplied(schema, live as JsonObject, applied as JsonObject);
        const { removed } = compare(schema, live as JsonObject, merged);
        const mentioned = fieldsOf(schema, applied as JsonObject);
        for (const path of removed) {
          const covered = [...mentioned].some((field) => path === field || path.startsWith(field));
          expect(covered, printPath(path)).toBe(true);
        }
        expect(mergeApplied(schema, merged, applied as JsonObject)).toEqual(merged);
      }),
    );
  });

  test("nothing on nothing changes nothing, and comparing with itself finds nothing", () => {
    fc.assert(
      fc.property(podSpec, (spec) => {
        const value = spec as Json;
        expect(mergeApplied(schema, value, {})).toEqual(value);
        const { written, removed } = compare(schema, value, structuredClone(value));
        expect([written.size, removed.size]).toEqual([0, 0]);
      }),
    );
  });

  test("removing all fields of a value leaves nothing of it", () => {
    fc.assert(
      fc.property(podSpec, (spec) => {
        const left = removeFields(
          schema,
          spec as JsonObject,
          fieldsOf(schema, spec as JsonObject),
        ) as JsonObject;
        expect(Object.keys(left)).toEqual([]);
      }),
    );
  });
});
