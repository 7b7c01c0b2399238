/**
 * JSON with 64-bit integers. A block's sequence number counts nanoseconds since 1970: beyond 2^53 a double rounds, and a
 * counter that rounds stops counting. Such integers become bigint, all others stay numbers.
 */
const mayHoldLargeInteger = /(?:^|[:[,])\s*-?\d{16,}/;

/** V8 gives the reviver the digits as they stood; TypeScript's library does not know yet. */
interface SourceContext {
  readonly source?: string;
}

type Parse = (
  text: string,
  reviver: (key: string, value: unknown, context: SourceContext) => unknown,
) => unknown;

const json = JSON as unknown as { readonly parse: Parse; readonly rawJSON: (text: string) => unknown };

export function parseJson(text: string): unknown {
  if (!mayHoldLargeInteger.test(text)) return JSON.parse(text);
  return json.parse(text, (_key, value, { source }) =>
    typeof value === "number" &&
    source !== undefined &&
    !Number.isSafeInteger(value) &&
    /^-?\d+$/.test(source)
      ? BigInt(source)
      : value,
  );
}

export function stringifyJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? json.rawJSON(member.toString()) : member,
  );
}

/** A copy that shares nothing. Objects from the API are plain trees. */
export function clone<T>(value: T): T {
  return copy(value) as T;
}

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  const target: Record<string, unknown> = {};
  // Assigning this one would change the prototype instead.
  for (const key of Object.keys(value))
    if (key !== "__proto__") target[key] = copy((value as Record<string, unknown>)[key]);
  return target;
}

/** Whether two trees say the same; a member that is undefined counts as absent. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) &&
      Array.isArray(b) &&
      a.length === b.length &&
      a.every((item, i) => isSame(item, b[i]))
    );
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const key of keys) if (!isSame(left[key], right[key])) return false;
  return true;
}
