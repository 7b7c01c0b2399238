import type { LabelSelector, LabelSelectorRequirement } from "./core/network-policy.ts";
import { ApiError } from "./error.ts";

/** Labels of an object; undefined is the same as none. */
export type Labels = Readonly<Record<string, string>> | undefined;

/** Whether an object with these labels is selected. */
export type LabelPredicate = (labels: Labels) => boolean;

/** Predicate of a LabelSelector object. `{}` selects everything; `undefined` selects nothing. */
export function matchLabels(selector: LabelSelector | undefined): LabelPredicate {
  if (selector === undefined) return () => false;
  const tests = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => equals(key, value)),
    ...(selector.matchExpressions ?? []).map(requirement),
  ];
  return all(tests);
}

/** Predicate of the text form that list and watch take: `app=web,tier!=db,env in (a,b),!legacy`. */
export function parseLabelSelector(text: string | undefined): LabelPredicate {
  if (text === undefined || text.trim() === "") return () => true;
  return all(splitTerms(text).map(parseTerm));
}

/** The text form of a LabelSelector object. */
export function formatLabelSelector(selector: LabelSelector): string {
  const terms = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    if (operator === "Exists") terms.push(key);
    else if (operator === "DoesNotExist") terms.push(`!${key}`);
    else terms.push(`${key} ${operator === "In" ? "in" : "notin"} (${values.join(",")})`);
  }
  return terms.join(",");
}

function all(tests: readonly LabelPredicate[]): LabelPredicate {
  return (labels) => tests.every((test) => test(labels));
}

function labelOf(labels: Labels, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

const equals =
  (key: string, value: string): LabelPredicate =>
  (labels) =>
    labelOf(labels, key) === value;

/** NotIn and DoesNotExist hold for objects without the label. */
function requirement({ key, operator, values = [] }: LabelSelectorRequirement): LabelPredicate {
  const allowed = new Set(values);
  switch (operator) {
    case "In":
      return (labels) => allowed.has(labelOf(labels, key) ?? "\0");
    case "NotIn":
      return (labels) => !allowed.has(labelOf(labels, key) ?? "\0");
    case "Exists":
      return (labels) => labelOf(labels, key) !== undefined;
    case "DoesNotExist":
      return (labels) => labelOf(labels, key) === undefined;
    default:
      // From a server newer than we are: select nothing rather than too much.
      return () => false;
  }
}

/** Splits at commas outside parentheses. */
function splitTerms(text: string): string[] {
  return text.split(/,(?![^(]*\))/).map((term) => term.trim());
}

const setTerm = /^([\w./-]+)\s+(in|notin)\s*\(([^()]*)\)$/;
const equalTerm = /^([\w./-]+)\s*(==|=|!=)\s*([\w.-]*)$/;
const existsTerm = /^(!?)\s*([\w./-]+)$/;

function parseTerm(term: string): LabelPredicate {
  const set = setTerm.exec(term);
  if (set)
    return requirement({
      key: set[1] ?? "",
      operator: set[2] === "in" ? "In" : "NotIn",
      values: (set[3] ?? "").split(",").map((value) => value.trim()),
    });
  const equal = equalTerm.exec(term);
  if (equal) {
    const [, key = "", operator, value = ""] = equal;
    return requirement({ key, operator: operator === "!=" ? "NotIn" : "In", values: [value] });
  }
  const exists = existsTerm.exec(term);
  if (exists)
    return requirement({ key: exists[2] ?? "", operator: exists[1] === "!" ? "DoesNotExist" : "Exists" });
  throw new ApiError("BadRequest", `label selector: cannot read "${term}"`);
}
