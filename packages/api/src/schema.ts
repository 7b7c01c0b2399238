/** One thing that is wrong with an object. */
export interface Problem {
  /** Dotted path of the field, list positions in brackets: `spec.nets[2]`. Empty for the object as a whole. */
  readonly field: string;
  readonly message: string;
  /** What to write instead. */
  readonly remedy: string;
}

/** What a check found: the object with its defaults, or all that is wrong with it. */
export type Checked<T> =
  | { readonly ok: true; readonly object: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Meaning of one kind's JSON: fills in defaults, keeps fields it does not know, and says what is wrong. */
export interface Schema<T> {
  check(object: unknown): Checked<T>;
}

const found = new WeakMap<object, readonly Problem[]>();
const none: readonly Problem[] = [];

/** What was wrong with an object when it was read. Empty for a sound one. A corrupt object must not be acted on. */
export function problemsOf(object: object): readonly Problem[] {
  return found.get(object) ?? none;
}

/**
 * Turns what the server sent into the kind's type: defaults filled in, or, if the schema refuses it, unchanged and with
 * its problems kept for `problemsOf`.
 */
export function decode<T>(kind: { readonly schema?: Schema<T> | undefined }, received: object): T {
  const checked = kind.schema?.check(received);
  if (checked === undefined) return received as T;
  if (checked.ok) return checked.object;
  found.set(received, checked.problems);
  return received as T;
}

/** `spec.cidr: not a CIDR. Write ...; spec.blockSize: ...` */
export function describeProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ field, message, remedy }) => `${field || "object"}: ${message}. ${remedy}`)
    .join(" ");
}
