import { parseSelector } from "./parse.ts";
import type { Selector } from "./selector.ts";

/**
 * The one text for a selector: what differs only in spacing, quotes, parentheses, or order and repetition of set values
 * comes out the same. Reading it back gives an equivalent selector.
 */
export function formatSelector(selector: Selector): string {
  return format(canonical(selector));
}

/** The same for a text. Throws `SelectorError`. */
export function canonicalSelector(text: string): string {
  return formatSelector(parseSelector(text));
}

/** Nested chains of the same operator become one, sets are sorted, double negation goes. */
export function canonical(selector: Selector): Selector {
  switch (selector.type) {
    case "not": {
      const operand = canonical(selector.operand);
      return operand.type === "not" ? operand.operand : { type: "not", operand };
    }
    case "and":
    case "or": {
      const operands = selector.operands
        .map(canonical)
        .flatMap((operand) => (operand.type === selector.type ? operand.operands : [operand]));
      return { type: selector.type, operands };
    }
    case "in":
    case "notIn":
      return { ...selector, values: [...new Set(selector.values)].sort() };
    default:
      return selector;
  }
}

function format(selector: Selector): string {
  switch (selector.type) {
    case "all":
      return "all()";
    case "global":
      return "global()";
    case "has":
      return `has(${selector.key})`;
    case "equals":
      return `${selector.key} == ${quote(selector.value)}`;
    case "notEquals":
      return `${selector.key} != ${quote(selector.value)}`;
    case "contains":
      return `${selector.key} contains ${quote(selector.value)}`;
    case "startsWith":
      return `${selector.key} starts with ${quote(selector.value)}`;
    case "endsWith":
      return `${selector.key} ends with ${quote(selector.value)}`;
    case "in":
      return `${selector.key} in {${selector.values.map(quote).join(", ")}}`;
    case "notIn":
      return `${selector.key} not in {${selector.values.map(quote).join(", ")}}`;
    case "not":
      return `!${isSimple(selector.operand) ? format(selector.operand) : `(${format(selector.operand)})`}`;
    case "and":
      return selector.operands
        .map((part) => (part.type === "or" ? `(${format(part)})` : format(part)))
        .join(" && ");
    case "or":
      return selector.operands.map(format).join(" || ");
  }
}

/** What `!` may stand before without changing what it negates, also to a human eye. */
function isSimple({ type }: Selector): boolean {
  return type === "all" || type === "global" || type === "has";
}

/** No escapes exist, so a value may hold one sort of quotes but not both; one read from a text never does. */
function quote(value: string): string {
  if (!value.includes('"')) return `"${value}"`;
  if (!value.includes("'")) return `'${value}'`;
  throw new RangeError(`no selector can hold the value ${value}: it contains both sorts of quotes`);
}
