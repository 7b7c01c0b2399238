import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileSelector, evaluateSelector } from "./compile.ts";
import { canonical, canonicalSelector, formatSelector } from "./format.ts";
import { parseSelector } from "./parse.ts";
import { selectorPieces } from "./selector.fixture.ts";
import { labelKeys, type Selector } from "./selector.ts";
import { SelectorError } from "./selector-error.ts";

const web = { app: "web", tier: "front-end", "projectcalico.org/namespace": "shop" };

describe("selectors decide by labels", () => {
  test.each([
    ["", true],
    ["all()", true],
    ["!all()", false],
    ["global()", false],
    ["app == 'web'", true],
    ['app == "web"', true],
    ["app == 'db'", false],
    ["none == 'x'", false],
    ["app != 'db'", true],
    ["app != 'web'", false],
    ["none != 'x'", true],
    ["app in {'db', 'web'}", true],
    ["app in {}", false],
    ["none in {'x'}", false],
    ["app not in {'db'}", true],
    ["app not in {'web'}", false],
    ["none not in {'x'}", true],
    ["tier contains 'nt-e'", true],
    ["tier starts with 'front'", true],
    ["tier starts with 'end'", false],
    ["tier ends with 'end'", true],
    ["none contains ''", false],
    ["has(app)", true],
    ["!has(app)", false],
    ["has(none)", false],
    ["!!has(app)", true],
    ["app == 'db' || tier == 'front-end' && has(app)", true],
    ["(app == 'db' || tier == 'front-end') && has(none)", false],
    ["app == 'web' && !(tier == 'back' || has(none))", true],
    ["has(constructor) || has(__proto__) || toString contains ''", false],
    ["projectcalico.org/namespace=='shop'", true],
    ["in == 'x' || not == 'y' || has == 'z' || app=='web'", true],
    ["  app  ==\t'web'\n", true],
  ])("%s is %s", (text, expected) => {
    expect(compileSelector(text)(web)).toBe(expected);
  });

  test("an object without labels is asked like one with none", () => {
    expect(compileSelector("app != 'x' && !has(app) && global()")(undefined)).toBe(true);
  });
});

describe("what is wrong is pointed at", () => {
  test.each([
    ["app = 'web'", 5, "UnexpectedCharacter"],
    ["app == web", 8, "UnexpectedToken"],
    ["app == 'web", 8, "UnterminatedString"],
    ["app == 'web' has(x)", 14, "UnexpectedToken"],
    ["(app == 'web'", 14, "UnexpectedToken"],
    ["app", 4, "UnexpectedToken"],
    ["has()", 5, "UnexpectedToken"],
    ["any()", 1, "UnexpectedToken"],
    ["all(x)", 5, "UnexpectedToken"],
    ["app in {'a' 'b'}", 13, "UnexpectedToken"],
    ["app in 'a'", 8, "UnexpectedToken"],
    ["app not 'a'", 5, "UnexpectedToken"],
    ["app starts 'a'", 5, "UnexpectedToken"],
    ["a == 'x' && ", 13, "UnexpectedToken"],
    ["a == 'x' & b == 'y'", 10, "UnexpectedCharacter"],
    ["ä == 'x'", 1, "UnexpectedCharacter"],
    ["!".repeat(500), 102, "TooDeep"],
    ["(".repeat(500), 102, "TooDeep"],
  ])("%s, column %d", (text, column, code) => {
    const error = thrownBy(() => parseSelector(text));
    expect([error.code, error.column]).toEqual([code, column]);
  });

  test("the message shows the place", () => {
    expect(thrownBy(() => parseSelector("app = 'web'")).message).toMatchInlineSnapshot(`
      "selector, column 5: "=" has no meaning here. Label keys are made of letters, digits and _ . / -, values stand in quotes.
        app = 'web'
            ^"
    `);
  });
});

const key = fc.constantFrom("a", "b", "app", "projectcalico.org/namespace", "x-y_z.1");
const value = fc.string({ maxLength: 4 }).filter((text) => !(text.includes("'") && text.includes('"')));
const values = fc.array(value, { maxLength: 3 });
const selectors: fc.Arbitrary<Selector> = fc.letrec<{ selector: Selector }>((tie) => ({
  selector: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<Selector>({ type: "all" }, { type: "global" }),
    fc.record({ type: fc.constant("has" as const), key }),
    fc.record({
      type: fc.constantFrom("equals", "notEquals", "contains", "startsWith", "endsWith"),
      key,
      value,
    }),
    fc.record({ type: fc.constantFrom("in", "notIn"), key, values }),
    fc.record({ type: fc.constant("not" as const), operand: tie("selector") }),
    fc.record({
      type: fc.constantFrom("and", "or"),
      operands: fc.array(tie("selector"), { minLength: 2, maxLength: 3 }),
    }),
  ),
})).selector;
const labels = fc.dictionary(key, value, { maxKeys: 4 });

describe("for every selector", () => {
  test("reading back what was written gives the same", () => {
    fc.assert(
      fc.property(selectors, (selector) => {
        expect(canonical(parseSelector(formatSelector(selector)))).toEqual(canonical(selector));
      }),
    );
  });

  test("the canonical text is its own canonical text, and decides the same", () => {
    fc.assert(
      fc.property(selectors, labels, (selector, given) => {
        const text = formatSelector(selector);
        expect(canonicalSelector(text)).toBe(text);
        expect(compileSelector(text)(given)).toBe(evaluateSelector(selector, given));
      }),
    );
  });

  test("labels it does not mention make no difference", () => {
    fc.assert(
      fc.property(selectors, labels, (selector, given) => {
        const keys = labelKeys(selector);
        const mentioned = Object.fromEntries(Object.entries(given).filter(([name]) => keys.has(name)));
        expect(evaluateSelector(selector, mentioned)).toBe(evaluateSelector(selector, given));
      }),
    );
  });

  test("negation negates", () => {
    fc.assert(
      fc.property(selectors, labels, (selector, given) => {
        const not: Selector = { type: "not", operand: selector };
        expect(evaluateSelector(not, given)).toBe(!evaluateSelector(selector, given));
      }),
    );
  });
});

test("any text is read or refused with a column inside it", () => {
  const pieces = fc.constantFrom(...selectorPieces);
  const texts = fc.oneof(
    fc.string(),
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        parseSelector(text);
      } catch (error) {
        if (!(error instanceof SelectorError)) throw error;
        expect(error.column).toBeGreaterThanOrEqual(1);
        expect(error.column).toBeLessThanOrEqual(text.length + 1);
      }
    }),
    { numRuns: 2000 },
  );
});

function thrownBy(act: () => unknown): SelectorError {
  try {
    act();
  } catch (error) {
    if (error instanceof SelectorError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
