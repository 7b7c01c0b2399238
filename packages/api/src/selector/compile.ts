import type { LabelPredicate, Labels } from "../label-selector.ts";
import { parseSelector } from "./parse.ts";
import { type LabelTest, namespaceLabel, type Selector } from "./selector.ts";

const noLabels: Readonly<Record<string, string>> = {};

/** Finds a label's value on a subject, `undefined` where it has no such label. */
export type LabelReader<T> = (subject: T) => string | undefined;

type Test<T> = (subject: T) => boolean;

/** A predicate that decides as `selector` says. Compile once, call often. Throws `SelectorError` for a text. */
export function compileSelector(selector: Selector | string): LabelPredicate {
  const parsed = typeof selector === "string" ? parseSelector(selector) : selector;
  const test = compileSelectorOver(parsed, readLabel);
  return (labels: Labels) => test(labels ?? noLabels);
}

/** Decides once, without compiling. */
export function evaluateSelector(selector: Selector, labels: Labels): boolean {
  return compileSelectorOver(selector, readLabel)(labels ?? noLabels);
}

/** Labels are plain objects: what is not a text of their own (`constructor`, `__proto__`) is not a label. */
function readLabel(key: string): LabelReader<Readonly<Record<string, string>>> {
  return (labels) => {
    const text: unknown = labels[key];
    return typeof text === "string" ? text : undefined;
  };
}

/** A predicate over anything that has labels; `reader` is asked once for each key the selector looks at. */
export function compileSelectorOver<T>(
  selector: Selector,
  reader: (key: string) => LabelReader<T>,
): (subject: T) => boolean {
  switch (selector.type) {
    case "all":
      return () => true;
    case "global": {
      const read = reader(namespaceLabel);
      return (subject) => read(subject) === undefined;
    }
    case "not": {
      const test = compileSelectorOver(selector.operand, reader);
      return (subject) => !test(subject);
    }
    case "and": {
      const tests = selector.operands.map((operand) => compileSelectorOver(operand, reader));
      return (subject) => tests.every((test) => test(subject));
    }
    case "or": {
      const tests = selector.operands.map((operand) => compileSelectorOver(operand, reader));
      return (subject) => tests.some((test) => test(subject));
    }
    default:
      return compileTest(selector, reader(selector.key));
  }
}

function compileTest<T>(test: LabelTest, read: LabelReader<T>): Test<T> {
  switch (test.type) {
    case "has":
      return (subject) => read(subject) !== undefined;
    case "equals": {
      const { value } = test;
      return (subject) => read(subject) === value;
    }
    case "notEquals": {
      const { value } = test;
      return (subject) => read(subject) !== value;
    }
    case "in": {
      const values: ReadonlySet<string | undefined> = new Set(test.values);
      return (subject) => values.has(read(subject));
    }
    case "notIn": {
      const values: ReadonlySet<string | undefined> = new Set(test.values);
      return (subject) => !values.has(read(subject));
    }
    case "contains":
      return (subject) => read(subject)?.includes(test.value) ?? false;
    case "startsWith":
      return (subject) => read(subject)?.startsWith(test.value) ?? false;
    case "endsWith":
      return (subject) => read(subject)?.endsWith(test.value) ?? false;
  }
}
