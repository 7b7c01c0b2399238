/** A test of a label. */
export type LabelTest =
  | { readonly type: "has"; readonly key: string }
  | {
      /** `notEquals` holds where the label is absent, the others do not. */
      readonly type: "equals" | "notEquals" | "contains" | "startsWith" | "endsWith";
      readonly key: string;
      readonly value: string;
    }
  | {
      /** `notIn` holds where the label is absent. */
      readonly type: "in" | "notIn";
      readonly key: string;
      readonly values: readonly string[];
    };

/** A selector as a tree. `and` and `or` have at least two operands. */
export type Selector =
  | { readonly type: "all" }
  /** Whatever belongs to no namespace. Meant for namespace selectors. */
  | { readonly type: "global" }
  | LabelTest
  | { readonly type: "not"; readonly operand: Selector }
  | { readonly type: "and" | "or"; readonly operands: readonly Selector[] };

/** The label that tells in which namespace an endpoint is; what is global lacks it. */
export const namespaceLabel = "projectcalico.org/namespace";

/** The keys of all labels a selector looks at. */
export function labelKeys(selector: Selector, into: Set<string> = new Set()): Set<string> {
  switch (selector.type) {
    case "all":
      break;
    case "global":
      into.add(namespaceLabel);
      break;
    case "not":
      labelKeys(selector.operand, into);
      break;
    case "and":
    case "or":
      for (const operand of selector.operands) labelKeys(operand, into);
      break;
    default:
      into.add(selector.key);
  }
  return into;
}
