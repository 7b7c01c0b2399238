import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isObject, type Json, type JsonObject, sameJson } from "../json.ts";
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

  test("deletes an item, an object and a field by directive", () => {
    const one = { containers: [{ $patch: "delete", name: "a" }] };
    expect(applyStrategicPatch(schema, containers("a", "b"), one)).toEqual(containers("b"));
    const target = { nodeName: "n", securityContext: { runAsUser: 1 } };
    const patch = { nodeName: null, securityContext: { $patch: "delete" } };
    expect(applyStrategicPatch(schema, target, patch)).toEqual({ securityContext: {} });
  });

  test("replaces an object by directive, without the directive", () => {
    const target = { securityContext: { runAsUser: 1, fsGroup: 2 } };
    const patch = { securityContext: { $patch: "replace", fsGroup: 3 } };
    expect(applyStrategicPatch(schema, target, patch)).toEqual({ securityContext: { fsGroup: 3 } });
  });

  test.for([
    ["an unknown directive", { securityContext: { $patch: "frobnicate" } }, "unknown patch type"],
    [
      "an item without its merge key",
      { containers: [{ image: "x" }] },
      "does not contain declared merge key",
    ],
  ] as const)("refuses %s", ([, patch, message]) => {
    expect(() => applyStrategicPatch(schema, containers("a"), patch as unknown as JsonObject)).toThrow(
      message,
    );
  });

  test("changes neither what it is applied to nor the patch", () => {
    const target = containers("a", "b");
    const patch = { containers: [{ name: "a", image: "new" }], nodeName: "n" };
    const before = structuredClone({ target, patch });
    applyStrategicPatch(schema, target, patch);
    expect({ target, patch }).toEqual(before);
  });
});

describe("any two objects", () => {
  // RFC 7386 cannot say null.
  const values: fc.Arbitrary<Json> = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.constantFrom<Json>("x", 1, 1798000000000000123n, true, [], [1, "y"]),
      tie("object"),
    ),
    object: fc.dictionary(fc.constantFrom("a", "b", "c"), tie("value"), { noNullPrototype: true }),
  })).object;

  function difference(from: JsonObject, to: JsonObject): JsonObject {
    const patch: JsonObject = {};
    for (const name of Object.keys(from)) if (to[name] === undefined) patch[name] = null;
    for (const [name, wanted] of Object.entries(to)) {
      const is = from[name];
      if (sameJson(is, wanted)) continue;
      if (isObject(is) && isObject(wanted)) patch[name] = difference(is, wanted);
      else patch[name] = wanted ?? null;
    }
    return patch;
  }

  test("are joined by the merge patch of their difference, which then is empty", () => {
    fc.assert(
      fc.property(values, values, (from, to) => {
        const patched = applyMergePatch(from, difference(from as JsonObject, to as JsonObject));
        expect(patched).toEqual(to);
        expect(difference(patched as JsonObject, to as JsonObject)).toEqual({});
      }),
    );
  });

  test("are joined by a strategic patch too where no list has a merge key", () => {
    fc.assert(
      fc.property(values, values, (from, to) => {
        const patch = difference(from as JsonObject, to as JsonObject);
        expect(applyStrategicPatch(undefined, from, patch)).toEqual(to);
      }),
    );
  });
});
