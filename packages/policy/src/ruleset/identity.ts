import { hash } from "node:crypto";
import type { Rule } from "./ruleset.ts";

const identities = new WeakMap<Rule, string>();

/**
 * Identifies a rule by its content. Stored beside the rule in the kernel, it tells at the next start whether what is there is
 * what should be there.
 */
export function ruleIdentity(rule: Rule): string {
  const known = identities.get(rule);
  if (known !== undefined) return known;
  const identity = hash("sha256", JSON.stringify(rule), "base64url").slice(0, 16);
  identities.set(rule, identity);
  return identity;
}
