import fc from "fast-check";
import { expect, test } from "vitest";
import { clone, isSame, parseJson, stringifyJson } from "./json.ts";

test("integers beyond 2^53 are exact, all other numbers stay numbers", () => {
  const text =
    '{"a":1798000000000000123,"b":[-9223372036854775808],"c":9007199254740991,"d":1.5,"e":1e300,"f":"12345678901234567890"}';
  const value = parseJson(text);
  expect(value).toEqual({
    a: 1798000000000000123n,
    b: [-9223372036854775808n],
    c: 9007199254740991,
    d: 1.5,
    e: 1e300,
    f: "12345678901234567890",
  });
  expect(stringifyJson(value)).toBe(text.replace("1e300", "1e+300"));
});

test("what is not large is read and written as JSON always was", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      fc.pre(!/\d{16}/.test(text));
      expect(parseJson(text)).toEqual(JSON.parse(text));
      expect(stringifyJson(parseJson(text))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test("any 64-bit integer comes back", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
      expect(BigInt(parseJson(stringifyJson(n)) as bigint)).toBe(n);
      expect(BigInt((parseJson(stringifyJson({ n })) as { n: bigint }).n)).toBe(n);
    }),
  );
});

test("a copy is the same and shares nothing", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const copy = clone(value);
      expect(isSame(copy, value)).toBe(true);
      if (typeof value === "object" && value !== null) expect(copy).not.toBe(value);
    }),
  );
  expect(isSame({ a: 1 }, { a: 1, b: undefined })).toBe(true);
  expect(isSame({ a: 1 }, { a: 1, b: null })).toBe(false);
  expect(isSame([], {})).toBe(false);
});

test("a field called __proto__ changes no prototype", () => {
  const copy = clone(parseJson('{"__proto__":{"polluted":true}}')) as { polluted?: boolean };
  expect(copy.polluted).toBeUndefined();
});

test("integers that round to the same number are told apart", () => {
  const [a, b] = [1798000000000000123n, 1798000000000000124n];
  expect(parseJson(`{"a":${a},"b":[${b},{"c":${a}}]}`)).toEqual({ a, b: [b, { c: a }] });
});

test("digits in names, strings and fractions are no integers", () => {
  const text =
    '{"1798000000000000123":"a 1798000000000000123,","x":0.1798000000000123,"y":-1798000000000000123}';
  expect(parseJson(text)).toEqual({
    "1798000000000000123": "a 1798000000000000123,",
    x: 0.1798000000000123,
    y: -1798000000000000123n,
  });
});

const integers = fc.oneof(
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
  fc.string(),
);
const trees = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    integers,
    fc.array(tie("tree")),
    fc.dictionary(fc.string({ minLength: 1 }), tie("tree"), { noNullPrototype: true }),
  ),
})).tree;

test("a tree of integers of any size comes back, and writing it changes nothing", () => {
  fc.assert(
    fc.property(trees, (tree) => {
      const before = structuredClone(tree);
      expect(parseJson(stringifyJson(tree))).toEqual(before);
      expect(isSame(tree, before)).toBe(true);
    }),
  );
});
