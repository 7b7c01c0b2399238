import { isObject, type Json } from "../json.ts";

type Step = (value: Json) => (Json | undefined)[];
const compiled = new Map<string, readonly Step[]>();

/**
 * The values at a simple JSON path as used for printer columns: `.status.conditions[?(@.type=="Ready")].status`,
 * `.spec.list[0]`, `.metadata.annotations.a\.b`, `[*]`.
 */
export function findPath(value: Json, path: string): Json[] {
  let steps = compiled.get(path);
  if (!steps) {
    steps = compile(path);
    compiled.set(path, steps);
  }
  let found: Json[] = [value];
  for (const step of steps) found = found.flatMap(step).filter((v): v is Json => v !== undefined);
  return found;
}

const token =
  /\.((?:\\.|[^.[\\])+)|\[\?\(@\.([^=!]+?)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([^)]+))\)\]|\[(\d+|-\d+|\*)\]|\[['"]([^'"]+)['"]\]/gy;

function compile(path: string): readonly Step[] {
  const steps: Step[] = [];
  let end = 0;
  const text = path.startsWith(".") || path.startsWith("[") ? path : `.${path}`;
  for (const match of text.matchAll(token)) {
    end = match.index + match[0].length;
    const [, name, field, operator, double, single, bare, index, quoted] = match;
    if (name !== undefined || quoted !== undefined) {
      const key = (name ?? quoted ?? "").replace(/\\(.)/g, "$1");
      steps.push((value) => [isObject(value) ? value[key] : undefined]);
    } else if (field !== undefined) {
      const wanted = double ?? single ?? bare ?? "";
      steps.push((value) =>
        Array.isArray(value)
          ? value.filter((item) => (findPath(item, field).map(String)[0] === wanted) === (operator === "=="))
          : [],
      );
    } else if (index === "*") {
      steps.push((value) => (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []));
    } else steps.push((value) => [Array.isArray(value) ? value.at(Number(index)) : undefined]);
  }
  if (end !== text.length) return [() => []];
  return steps;
}
