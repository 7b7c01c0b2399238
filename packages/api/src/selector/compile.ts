import type { LabelPredicate, Labels } from "../label-selector.ts";
import { parseSelector } from "./parse.ts";
import { namespaceLabel, type Selector } from "./selector.ts";

const noLabels: Readonly<Record<string, string>> = {};

type Test = (labels: Readonly<Record<string, string>>) => boolean;

/** A predicate that decides as `selector` says. Compile once, call often. Throws `SelectorError` for a text. */
export function compileSelector(selector: Selector | string): LabelPredicate {
  const test = compile(typeof selector === "string" ? parseSelector(selector) : selector);
  return (labels: Labels) => test(labels ?? noLabels);
}

/** Decides once, without compiling. */
export function evaluateSelector(selector: Selector, labels: Labels): boolean {
  return compile(selector)(labels ?? noLabels);
}

/** Labels are plain objects: what is not a text of their own (`constructor`, `__proto__`) is not a label. */
function compile(selector: Selector): Test {
  switch (selector.type) {
    case "all":
      return () => true;
    case "global":
      return (labels) => typeof labels[namespaceLabel] !== "string";
    case "has": {
      const { key } = selector;
      return (labels) => typeof labels[key] === "string";
    }
    case "equals": {
      const { key, value } = selector;
      return (labels) => labels[key] === value;
    }
    case "notEquals": {
      const { key, value } = selector;
      return (labels) => labels[key] !== value;
    }
    case "in": {
      const { key } = selector;
      const values = new Set(selector.values);
      return (labels) => values.has(labels[key] as string);
    }
    case "notIn": {
      const { key } = selector;
      const values = new Set(selector.values);
      return (labels) => !values.has(labels[key] as string);
    }
    case "contains":
      return onText(selector.key, (text) => text.includes(selector.value));
    case "startsWith":
      return onText(selector.key, (text) => text.startsWith(selector.value));
    case "endsWith":
      return onText(selector.key, (text) => text.endsWith(selector.value));
    case "not": {
      const test = compile(selector.operand);
      return (labels) => !test(labels);
    }
    case "and": {
      const tests = selector.operands.map(compile);
      return (labels) => tests.every((test) => test(labels));
    }
    case "or": {
      const tests = selector.operands.map(compile);
      return (labels) => tests.some((test) => test(labels));
    }
  }
}

function onText(key: string, test: (text: string) => boolean): Test {
  return (labels) => {
    const text: unknown = labels[key];
    return typeof text === "string" && test(text);
  };
}
