import type { Context, Environment } from "@marcbachmann/cel-js";

/** A compiled expression. Throws when it cannot be evaluated, for example because a field is not there. */
export type Expression = (context: Context) => unknown;

/**
 * Compiles for evaluation. `declared` is where the names and types are checked: it may know more types than values have when
 * they are evaluated. Throws an Error that says what is wrong, and where, in one line.
 */
export function compile(
  source: string,
  declared: Environment,
  evaluated: Environment,
  result: "bool" | "string" | "any",
): Expression {
  const { valid, type, error } = declared.check(source);
  if (!valid)
    throw new Error(`ERROR: <input>:${place(source, error?.range?.start ?? 0)}: ${error?.summary ?? ""}`);
  if (result !== "any" && type !== result && type !== "dyn") throw new Error(`must evaluate to a ${result}`);
  const parsed = evaluated.parse(source);
  return (context) => parsed(context);
}

function place(source: string, offset: number): string {
  const lines = source.slice(0, offset).split("\n");
  return `${lines.length}:${lines.at(-1)!.length + 1}`;
}

/** Why an evaluation failed, in a line. */
export const failure = (error: unknown): string => (error as Error).message.split("\n", 1)[0]!;
