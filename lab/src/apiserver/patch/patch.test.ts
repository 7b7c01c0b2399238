import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../json.ts";
import { model } from "../schema/models.ts";
import { applyJsonPatch } from "./json-patch.ts";
import { applyMergePatch } from "./merge-patch.ts";
import { applyStrategicPatch } from "./strategic.ts";

describe("JSON patch", () => {
  // Cases of RFC 6902, appendix A.
  test.for([
    [
      "adds an object member",
      { foo: "bar" },
      [{ op: "add", path: "/baz", value: "qux" }],
      { baz: "qux", foo: "bar" },
    ],
    [
      "inserts into a list",
      { foo: ["bar", "baz"] },
      [{ op: "add", path: "/foo/1", value: "qux" }],
      { foo: ["bar", "qux", "baz"] },
    ],
    [
      "appends to a list",
      { foo: ["bar"] },
      [{ op: "add", path: "/foo/-", value: ["abc"] }],
      { foo: ["bar", ["abc"]] },
    ],
    [
      "removes from a list",
      { foo: ["bar", "qux", "baz"] },
      [{ op: "remove", path: "/foo/1" }],
      { foo: ["bar", "baz"] },
    ],
    ["replaces", { baz: "qux" }, [{ op: "replace", path: "/baz", value: "boo" }], { baz: "boo" }],
    ["moves", { a: { b: 1 }, c: {} }, [{ op: "move", from: "/a/b", path: "/c/d" }], { a: {}, c: { d: 1 } }],
    ["copies", { a: [1], c: {} }, [{ op: "copy", from: "/a", path: "/c/d" }], { a: [1], c: { d: [1] } }],
    [
      "reads escapes",
      { "/": 9, "~1": 10 },
      [{ op: "replace", path: "/~01", value: 11 }],
      { "/": 9, "~1": 11 },
    ],
  ] as const)("%s", ([, target, patch, result]) => {
    const before = structuredClone(target);
    expect(applyJsonPatch(target as unknown as JsonObject, patch as unknown as JsonObject[])).toEqual(result);
    expect(target).toEqual(before);
  });

  test.for([
    ["a missing member", [{ op: "remove", path: "/none" }]],
    ["a missing parent", [{ op: "add", path: "/none/deep", value: 1 }]],
    ["a failing test", [{ op: "test", path: "/foo", value: "other" }]],
    ["an index out of range", [{ op: "add", path: "/list/9", value: 1 }]],
  ] as const)("refuses %s", ([, patch]) => {
    expect(() => applyJsonPatch({ foo: "bar", list: [] }, patch as unknown as JsonObject[])).toThrow();
  });
});

describe("JSON merge patch", () => {
  test("applied twice is applied once, and never leaves a null", () => {
    const values = fc.dictionary(
      fc.constantFrom("a", "b", "c"),
      fc.oneof(fc.nat(), fc.constant(null), fc.dictionary(fc.constantFrom("x", "y"), fc.option(fc.nat()))),
    );
    fc.assert(
      fc.property(values, (patch) => {
        const once = applyMergePatch({ a: 1, b: { x: 1 } }, patch as JsonObject);
        expect(applyMergePatch(once, patch as JsonObject)).toEqual(once);
        expect(JSON.stringify(once)).not.toContain("null");
      }),
    );
  });
});

describe("strategic merge patch", () => {
  const schema = model("V1PodSpec");
  const containers = (...names: string[]): JsonObject => ({
    containers: names.map((name) => ({ name, image: `${name}:1` })),
  });

  test("merges by key and appends what is new", () => {
    const patch = {
      containers: [
        { name: "b", image: "b:2" },
        { name: "c", image: "c:1" },
      ],
    };
    expect(applyStrategicPatch(schema, containers("a", "b"), patch)).toEqual({
      containers: [
        { name: "a", image: "a:1" },
        { name: "b", image: "b:2" },
        { name: "c", image: "c:1" },
      ],
    });
  });

  test("orders by $setElementOrder", () => {
    const patch = { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] };
    expect(applyStrategicPatch(schema, containers("a", "b"), patch)).toEqual(containers("b", "a"));
  });

  test("replaces a list by directive", () => {
    const patch = { containers: [{ $patch: "replace" }, { name: "z", image: "z:1" }] };
    expect(applyStrategicPatch(schema, containers("a", "b"), patch)).toEqual(containers("z"));
  });

  test("replaces atomic lists and merges plain ones", () => {
    const target = { tolerations: [{ key: "a" }] };
    expect(applyStrategicPatch(schema, target, { tolerations: [{ key: "b" }] })).toEqual({
      tolerations: [{ key: "b" }],
    });
    const metadata = model("V1ObjectMeta");
    expect(applyStrategicPatch(metadata, { finalizers: ["a"] }, { finalizers: ["b"] })).toEqual({
      finalizers: ["a", "b"],
    });
    const gone = { "$deleteFromPrimitiveList/finalizers": ["a"] };
    expect(applyStrategicPatch(metadata, { finalizers: ["a", "b"] }, gone)).toEqual({ finalizers: ["b"] });
  });

  test("keeps only $retainKeys", () => {
    const target = { volumes: [{ name: "v", emptyDir: {} }] };
    const patch = { volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }] };
    expect(applyStrategicPatch(schema, target, patch)).toEqual({
      volumes: [{ name: "v", hostPath: { path: "/x" } }],
    });
  });
});
