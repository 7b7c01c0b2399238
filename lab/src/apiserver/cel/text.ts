import type { Environment } from "@marcbachmann/cel-js";

const find = (text: string, pattern: string): string => new RegExp(pattern, "u").exec(text)?.[0] ?? "";

function findAll(text: string, pattern: string, limit = -1n): string[] {
  const all = [...text.matchAll(new RegExp(pattern, "gu"))].map(([match]) => match);
  return limit < 0n ? all : all.slice(0, Number(limit));
}

function replace(text: string, from: string, to: string, limit = -1n): string {
  if (limit < 0n) return text.replaceAll(from, () => to);
  let left = limit;
  return text.replaceAll(from, (found) => (left-- > 0n ? to : found));
}

function charAt(text: string, index: bigint): string {
  const characters = [...text];
  if (index < 0n || index > characters.length) throw new Error(`index out of range: ${index}`);
  return characters[Number(index)] ?? "";
}

/** `%s`, `%d`, `%f` and `%%` of the strings extension. */
function format(text: string, values: readonly unknown[]): string {
  let next = 0;
  return text.replace(/%(?:\.(\d+))?([sdf%])/g, (_all, digits: string | undefined, verb: string) => {
    if (verb === "%") return "%";
    if (next >= values.length) throw new Error(`index ${next} out of range`);
    const value = values[next++];
    return verb === "f" ? Number(value).toFixed(Number(digits ?? 6)) : printed(value);
  });
}

function printed(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(printed).join(", ")}]`;
  return value instanceof Date ? value.toISOString().replace(".000Z", "Z") : String(value);
}

/** Kubernetes' regular expression library, and of the strings extension what the language itself lacks. */
export function addTextFunctions(environment: Environment): void {
  environment
    .registerFunction("string.find(string): string", find)
    .registerFunction("string.findAll(string): list<string>", (text: string, pattern: string) =>
      findAll(text, pattern),
    )
    .registerFunction("string.findAll(string, int): list<string>", findAll)
    .registerFunction("string.replace(string, string): string", (text: string, from: string, to: string) =>
      replace(text, from, to),
    )
    .registerFunction("string.replace(string, string, int): string", replace)
    .registerFunction("string.charAt(int): string", charAt)
    .registerFunction("string.reverse(): string", (text: string) => [...text].reverse().join(""))
    .registerFunction("string.format(list): string", format);
}
