import { isObject, type Json, listAt, objectAt } from "../json.ts";
import { badRequest } from "../status.ts";

export type Labels = { readonly [key: string]: string | undefined };
export type Predicate<T> = (value: T) => boolean;

const comparison = /^\s*([^\s!=,()<>]+)\s*(==|=|!=|<|>)\s*([^\s!=,()<>]*)\s*$/;
const membership = /^\s*([^\s!=,()<>]+)\s+(in|notin)\s*\(([^()]*)\)\s*$/;
const existence = /^\s*(!?)\s*([^\s!=,()<>]+)\s*$/;

/** Commas outside parentheses separate requirements. */
function split(selector: string): string[] {
  return selector.match(/(?:\([^)]*\)|[^,(])+/g) ?? [];
}

function requirement(text: string): Predicate<Labels> {
  let match = comparison.exec(text);
  if (match) {
    const [, key, operator, value] = match as unknown as [string, string, string, string];
    if (operator === "!=") return (labels) => labels[key] !== value;
    if (operator === "<") return (labels) => Number(labels[key]) < Number(value);
    if (operator === ">") return (labels) => Number(labels[key]) > Number(value);
    return (labels) => labels[key] === value;
  }
  match = membership.exec(text);
  if (match) {
    const [, key, operator, list] = match as unknown as [string, string, string, string];
    const values = new Set(list.split(",").map((value) => value.trim()));
    if (operator === "in") return (labels) => labels[key] !== undefined && values.has(labels[key]);
    return (labels) => labels[key] === undefined || !values.has(labels[key]);
  }
  match = existence.exec(text);
  if (match) {
    const [, not, key] = match as unknown as [string, string, string];
    return (labels) => (labels[key] === undefined) === (not === "!");
  }
  throw badRequest(`unable to parse requirement: ${JSON.stringify(text.trim())}`);
}

/** Parses `a=b,c!=d,e in (f,g),!h`. Undefined: everything matches. */
export function parseLabelSelector(selector: string | null): Predicate<Labels> | undefined {
  if (selector === null || selector.trim() === "") return undefined;
  const requirements = split(selector).map(requirement);
  return (labels) => requirements.every((matches) => matches(labels));
}

/** A metav1.LabelSelector value as a predicate; an empty selector matches everything, an absent one nothing. */
export function matchLabelSelector(selector: Json | undefined): Predicate<Labels> {
  if (!isObject(selector)) return () => false;
  const wanted = Object.entries(objectAt(selector, "matchLabels") ?? {});
  const expressions = listAt(selector, "matchExpressions").filter(isObject);
  return (labels) =>
    wanted.every(([key, value]) => labels[key] === value) &&
    expressions.every((e) => {
      const value = labels[String(e.key)];
      if (e.operator === "Exists") return value !== undefined;
      if (e.operator === "DoesNotExist") return value === undefined;
      const listed = value !== undefined && listAt(e, "values").includes(value);
      return e.operator === "In" ? listed : !listed;
    });
}
