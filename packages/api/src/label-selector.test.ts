import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LabelSelector } from "./core/index.ts";
import { isApiError } from "./error.ts";
import { formatLabelSelector, matchLabels, parseLabelSelector } from "./label-selector.ts";

const labels = { app: "web", tier: "front", "example.com/x": "" };

describe("the text form", () => {
  test.each([
    ["", true],
    ["app=web", true],
    ["app==web", true],
    ["app!=web", false],
    ["none!=x", true],
    ["app in (db, web)", true],
    ["app notin (db,web)", false],
    ["none notin (x)", true],
    ["app", true],
    ["!app", false],
    ["!none", true],
    ["example.com/x=", true],
    ["app=web,tier=back", false],
    ["app in (web,db),tier=front,!none", true],
    ["constructor", false],
  ])("%s is %s", (text, expected) => {
    expect(parseLabelSelector(text)(labels)).toBe(expected);
  });

  test.each(["app=", "a b", "app in web", "=x", "app=web,", "app in (a", "$"])("%j", (text) => {
    const read = () => parseLabelSelector(text)({});
    if (text === "app=") expect(read()).toBe(false);
    else expect(read).toThrow(expect.toSatisfy((error: unknown) => isApiError(error, "BadRequest")) as Error);
  });
});

describe("the object form", () => {
  test("an empty selector selects everything, an absent one nothing", () => {
    expect(matchLabels({})(undefined)).toBe(true);
    expect(matchLabels(undefined)(labels)).toBe(false);
  });

  test("an operator we do not know selects nothing", () => {
    const future = {
      matchExpressions: [{ key: "app", operator: "Like", values: ["w*"] }],
    } as unknown as LabelSelector;
    expect(matchLabels(future)(labels)).toBe(false);
  });

  test("its text decides the same", () => {
    const key = fc.constantFrom("app", "tier", "a.b/c");
    const value = fc.constantFrom("web", "db", "x-1");
    const expression = fc.oneof(
      fc.record({
        key,
        operator: fc.constantFrom("In", "NotIn"),
        values: fc.array(value, { minLength: 1, maxLength: 3 }),
      }),
      fc.record({ key, operator: fc.constantFrom("Exists", "DoesNotExist") }),
    );
    const selector = fc.record({
      matchLabels: fc.dictionary(key, value),
      matchExpressions: fc.array(expression, { maxLength: 3 }),
    }) as fc.Arbitrary<LabelSelector>;
    fc.assert(
      fc.property(selector, fc.dictionary(key, value), (selector, given) => {
        const text = formatLabelSelector(selector);
        expect(parseLabelSelector(text)(given), text).toBe(matchLabels(selector)(given));
      }),
    );
  });
});
