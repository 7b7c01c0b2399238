import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type Json, listAt, objectAt } from "../json.ts";
import type { Schema } from "../schema/schema.ts";
import { checkRules } from "./check-rules.ts";
import { kubernetesCel } from "./environment.ts";
import { escapeName } from "./names.ts";
import { compileRules } from "./rules.ts";
import { toCel } from "./values.ts";

const environment = kubernetesCel.clone();
const value = (expression: string): unknown => environment.evaluate(expression);

describe("the Kubernetes libraries of CEL", () => {
  test.for([
    ["[1, 2, 3].sum()", 6n],
    ["[1.5, 2.0].sum()", 3.5],
    ["[3, 1, 2].min()", 1n],
    ["['b', 'a'].max()", "b"],
    ["[1, 2, 2].isSorted() && !['b', 'a'].isSorted()", true],
    ["['a', 'b', 'a'].indexOf('b') == 1 && ['a', 'b', 'a'].lastIndexOf('a') == 2", true],
    ["[1].indexOf(2)", -1n],
    ["'abc 123'.find('[0-9]+')", "123"],
    ["'abc'.find('[0-9]+')", ""],
    ["'1 2 3'.findAll('[0-9]', 2)", ["1", "2"]],
    ["'a-b-c'.replace('-', '.', 1)", "a.b-c"],
    ["'a-b'.replace('-', '$&')", "a$&b"],
    ["'%s has %d of %.1f%%'.format(['x', 3, 0.25])", "x has 3 of 0.3%"],
    ["'abc'.charAt(1) + 'abc'.reverse()", "bcba"],
    ["ip('10.0.0.1').family() == 4 && ip('fd00::1').family() == 6", true],
    ["isIP('010.0.0.1') || isIP('10.1') || isIP('::ffff:1.2.3.4') || isIP('fe80::1%eth0')", false],
    ["ip('fd00:0::1') == ip('fd00::1')", true],
    ["ip('127.0.0.1').isLoopback() && ip('::').isUnspecified() && ip('fe80::1').isLinkLocalUnicast()", true],
    ["ip('ff02::1').isLinkLocalMulticast() && !ip('ff05::1').isLinkLocalMulticast()", true],
    ["ip('8.8.8.8').isGlobalUnicast() && !ip('169.254.1.1').isGlobalUnicast()", true],
    ["cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP('fd00::1')", true],
    ["cidr('fd00::/8').containsCIDR('fd12::/16') && !cidr('fd12::/16').containsCIDR('fd00::/8')", true],
    ["string(cidr('10.129.3.4/9').masked())", "10.128.0.0/9"],
    ["cidr('10.1.2.3/24').prefixLength()", 24n],
    ["isCIDR('10.0.0.0/33') || isCIDR('10.0.0.0') || isCIDR('10.0.0.0/08')", false],
    [
      "url('https://[::1]:8443/a%20b').getHostname() + url('https://h:8443/a%20b').getEscapedPath()",
      "::1/a%20b",
    ],
    ["isURL('nonsense')", false],
    ["quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('0.5') == quantity('500m')", true],
    ["quantity('1.5k').asInteger()", 1500n],
    ["quantity('-2').sign() == -1 && quantity('1e3').compareTo(quantity('1k')) == 0", true],
    ["quantity('1').add(quantity('1m')).isInteger()", false],
    ["isQuantity('1x') || isQuantity('') || isQuantity('.')", false],
  ] as const)("%s", ([expression, expected]) => {
    expect(value(expression)).toEqual(expected);
  });

  test.for([
    "ip('x')",
    "cidr('10.0.0.0')",
    "quantity('x')",
    "quantity('1m').asInteger()",
    "[].min()",
    "url('x')",
  ])("%s fails", (expression) => {
    expect(() => value(expression)).toThrow();
  });
});

describe("values", () => {
  test("names that an expression cannot hold are escaped, each in its own way", () => {
    expect(escapeName("namespace")).toBe("__namespace__");
    expect(escapeName("a-b.c/d__e")).toBe("a__dash__b__dot__c__slash__d__underscores__e");
    expect(escapeName("1st")).toBeUndefined();
    const names = fc.stringMatching(/^[a-z_./-]{1,8}$/);
    fc.assert(fc.property(names, names, (a, b) => (a === b) === (escapeName(a) === escapeName(b))));
  });

  test("integers and numbers are told apart by the schema, times and bytes are what they are", () => {
    const schema: Schema = {
      type: "object",
      properties: {
        n: { type: "number" },
        i: { type: "integer" },
        t: { type: "string", format: "date-time" },
        b: { type: "string", format: "byte" },
      },
    };
    expect(toCel({ n: 2, i: 2, t: "2026-01-02T03:04:05Z", b: "aGk=", hidden: 1 }, schema)).toEqual({
      n: 2,
      i: 2n,
      t: new Date("2026-01-02T03:04:05Z"),
      b: new Uint8Array([104, 105]),
    });
  });
});

describe("rules", () => {
  const integer: Schema = { type: "integer" };
  const complaints = (schema: Schema): string[] => {
    const found: string[] = [];
    compileRules(schema, (path, _rule, why) => found.push(`${path}: ${why}`));
    return found;
  };
  const broken = (schema: Schema, next: Json, old?: Json): string[] => {
    const rules = compileRules(schema, (path, _rule, why) => expect.unreachable(`${path}: ${why}`));
    return checkRules(rules!, next, old).map((error) => `${error.field}: ${error.message}`);
  };
  const withRule = (rule: string, properties: { [name: string]: Schema }): Schema => ({
    type: "object",
    properties: { spec: { type: "object", properties, "x-kubernetes-validations": [{ rule }] } },
  });

  test("of all our own definitions compile", () => {
    const directory = new URL("../../../../deploy/crds/", import.meta.url);
    const schemas = readdirSync(directory).map(
      (file): Json => parse(readFileSync(new URL(file, directory), "utf8")),
    );
    let rules = 0;
    for (const crd of schemas)
      for (const version of listAt(crd, "spec", "versions")) {
        const schema = objectAt(version, "schema", "openAPIV3Schema") as Schema;
        expect(complaints(schema)).toEqual([]);
        rules += compileRules(schema, () => {}) ? 1 : 0;
      }
    expect(rules).toBeGreaterThan(3);
  });

  test("are none where a schema has none", () => {
    expect(compileRules({ type: "object", properties: { spec: integer } }, () => {})).toBeUndefined();
  });

  test.for([
    ["a misspelt field", "self.siez > 1"],
    ["a comparison of two kinds", "self.size == 'x'"],
    ["no truth value", "self.size + 1"],
    ["half an expression", "self.size >"],
    ["an unknown function", "self.size.frobnicate()"],
  ] as const)("with %s are refused", ([, rule]) => {
    expect(complaints(withRule(rule, { size: integer }))).toHaveLength(1);
  });

  test("cannot compare items that have no key with older ones", () => {
    const items: Schema = { ...integer, "x-kubernetes-validations": [{ rule: "self == oldSelf" }] };
    expect(complaints({ type: "array", items })).toEqual([
      expect.stringContaining(".items.x-kubernetes-validations[0]"),
    ]);
    expect(complaints({ type: "object", additionalProperties: items })).toEqual([]);
  });

  test("that cannot be evaluated are broken", () => {
    const schema = withRule("self.size > 1", { size: integer });
    expect(broken(schema, { spec: {} })).toEqual([
      'spec: Invalid value: "object": No such key: size evaluating rule: failed rule: self.size > 1',
    ]);
  });

  test("do not judge again what is unchanged, but do judge a transition", () => {
    const schema = withRule("self.size > 1", { size: integer });
    expect(broken(schema, { spec: { size: 0 }, a: 1 }, { spec: { size: 0 } })).toEqual([]);
    expect(broken(schema, { spec: { size: 1 } }, { spec: { size: 0 } })).toHaveLength(1);
    const moving = withRule("self.size > oldSelf.size", { size: integer });
    expect(broken(moving, { spec: { size: 0 } }, { spec: { size: 0 } })).toHaveLength(1);
    expect(broken(moving, { spec: { size: 0 } })).toEqual([]);
  });

  test("agree with arithmetic on any int64", () => {
    const schema = withRule("self.a < self.b", { a: integer, b: integer });
    const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    const near = fc
      .tuple(int64, fc.integer({ min: -2, max: 2 }))
      .map(([a, d]) => [a, a + BigInt(d)] as const);
    fc.assert(
      fc.property(near, ([a, b]) => {
        expect(broken(schema, { spec: { a, b } }).length === 0).toBe(a < b);
      }),
    );
  });
});
