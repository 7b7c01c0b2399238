import type { z } from "zod";
import type { Problem } from "../schema.ts";

/** Translates an issue of the schema library into our words: which field, what is wrong, what to write instead. */
export function problemOf(issue: z.core.$ZodIssue, parent = ""): Problem {
  return { field: fieldOf(issue.path, parent), message: issue.message, remedy: remedyOf(issue) };
}

function fieldOf(path: readonly PropertyKey[], parent: string): string {
  let field = parent;
  for (const step of path) {
    if (typeof step === "number") field += `[${step}]`;
    else field += field === "" ? String(step) : `.${String(step)}`;
  }
  return field;
}

function remedyOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return `Write a value of type ${issue.expected}.`;
    case "invalid_value":
      return `Allowed: ${issue.values.map(String).join(", ")}.`;
    case "too_small":
      return `The minimum is ${issue.minimum}.`;
    case "too_big":
      return `The maximum is ${issue.maximum}.`;
    case "unrecognized_keys":
      return `Remove ${issue.keys.join(", ")}.`;
    case "custom": {
      const remedy: unknown = issue.params?.remedy;
      return typeof remedy === "string" ? remedy : "Correct this value.";
    }
    default:
      return "Correct this value.";
  }
}
