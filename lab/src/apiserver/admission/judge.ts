import { failure } from "../cel/expression.ts";
import { toCel } from "../cel/values.ts";
import type { KubeObject } from "../objects.ts";
import type { Reason } from "../status.ts";
import { lazily } from "./attempt.ts";
import type { Policy, Validation } from "./policy.ts";

/** Something a policy holds against an attempt. */
export interface Objection {
  readonly reason: Reason;
  readonly message: string;
}

/** What a policy says of an attempt, given its variables; nothing, if it is not meant or has no objection. */
export function judge(
  policy: Policy,
  attempt: { readonly [name: string]: unknown },
  params: KubeObject | undefined,
): Objection[] {
  const variables = lazily(
    Object.fromEntries([...policy.variables].map(([name, compute]) => [name, () => compute(context)])),
  );
  const context: { readonly [name: string]: unknown } = lazily({
    ...Object.fromEntries(Object.keys(attempt).map((name) => [name, () => attempt[name]])),
    params: () => toCel(params),
    variables: () => variables,
  });
  const failed = (message: string): Objection[] =>
    policy.ignoresFailure ? [] : [{ reason: "Invalid", message }];

  // One condition that does not hold outweighs one that cannot be evaluated.
  const broken: string[] = [];
  for (const { name, holds } of policy.conditions)
    try {
      if (holds(context) !== true) return [];
    } catch (error) {
      broken.push(`match condition '${name}' resulted in error: ${failure(error)}`);
    }
  if (broken.length > 0) return failed(broken.join("; "));

  return policy.validations.flatMap((validation) => {
    try {
      if (validation.holds(context) === true) return [];
      return [{ reason: validation.reason, message: messageOf(validation, context) }];
    } catch (error) {
      return failed(`expression '${validation.source}' resulted in error: ${failure(error)}`);
    }
  });
}

function messageOf(
  { message, messageExpression }: Validation,
  context: { readonly [name: string]: unknown },
): string {
  try {
    const text = messageExpression === undefined ? "" : String(messageExpression(context)).trim();
    return text === "" || text.includes("\n") ? message : text;
  } catch {
    return message;
  }
}
