/**
 * JSON with 64-bit integers. A block's sequence number counts nanoseconds since 1970: beyond 2^53 a double rounds, and a
 * counter that rounds stops counting. Such integers become bigint, all others stay numbers.
 *
 * Blocks are read and written on every address, so this costs little more than JSON.parse and JSON.stringify do: a reviver
 * or a replacer is called for every member and makes them five times slower.
 */
const mayHoldLargeInteger = /\d{16}/;
const manyDigits = /-?\d{16,}/g;

/** V8 gives the reviver the digits as they stood; TypeScript's library does not know yet. */
interface SourceContext {
  readonly source?: string;
}

type Parse = (
  text: string,
  reviver: (key: string, value: unknown, context: SourceContext) => unknown,
) => unknown;

const json = JSON as unknown as { readonly parse: Parse; readonly rawJSON: (text: string) => unknown };

/** Throws SyntaxError, as JSON.parse does. */
export function parseJson(text: string): unknown {
  if (!mayHoldLargeInteger.test(text)) return JSON.parse(text);
  const exact = new Map<number, bigint>();
  for (const [digits] of text.matchAll(manyDigits)) {
    const rounded = Number(digits);
    if (Number.isSafeInteger(rounded)) continue;
    const integer = BigInt(digits);
    const other = exact.get(rounded);
    // Two that round to the same number: only their places tell them apart.
    if (other !== undefined && other !== integer) return parseBySource(text);
    exact.set(rounded, integer);
  }
  const value: unknown = JSON.parse(text);
  return exact.size === 0 ? value : restore(value, exact);
}

function parseBySource(text: string): unknown {
  return json.parse(text, (_key, value, { source }) =>
    typeof value === "number" &&
    source !== undefined &&
    !Number.isSafeInteger(value) &&
    /^-?\d+$/.test(source)
      ? BigInt(source)
      : value,
  );
}

/** Puts the integers back in place of the numbers they were rounded to. */
function restore(value: unknown, exact: ReadonlyMap<number, bigint>): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : (exact.get(value) ?? value);
  if (typeof value !== "object" || value === null) return value;
  const members = value as Record<string, unknown>;
  for (const key in members) {
    const member = members[key];
    if (typeof member !== "number" && typeof member !== "object") continue;
    const restored = restore(member, exact);
    if (restored !== member) members[key] = restored;
  }
  return value;
}

/** JSON in which a bigint is written as an integer, without loss. */
export function stringifyJson(value: unknown): string {
  return JSON.stringify(withRawIntegers(value));
}

/** The same value, or where it holds a bigint, a copy that JSON.stringify can write. */
function withRawIntegers(value: unknown): unknown {
  if (typeof value === "bigint") return json.rawJSON(value.toString());
  if (typeof value !== "object" || value === null) return value;
  const members = value as Record<string, unknown>;
  let copy: Record<string, unknown> | undefined;
  for (const key in members) {
    const member = members[key];
    if (typeof member !== "bigint" && typeof member !== "object") continue;
    const raw = withRawIntegers(member);
    if (raw === member) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...members }) as Record<string, unknown>;
    copy[key] = raw;
  }
  return copy ?? value;
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
