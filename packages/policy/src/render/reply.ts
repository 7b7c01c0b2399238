import type { AppliedTier } from "../calc/evaluate.ts";
import type { Direction } from "../model/policy.ts";
import type { Chain, Rule, Statement } from "../ruleset/ruleset.ts";
import { accept, goto, protocol } from "../ruleset/statement.ts";
import type { PolicySettings } from "../settings.ts";
import { comment, hashed } from "./names.ts";
import { type RuleSets, renderMatches } from "./rule.ts";

/** A TCP segment that is not the first of a connection: neither SYN alone nor with ACK (RFC 9293, 3.1). */
export const midstream: readonly Statement[] = [
  protocol("tcp"),
  { is: "mask", field: "tcp flags", mask: "02", op: "==", value: "00" },
];

/**
 * Judges a midstream segment of a VM that has just arrived as an answer: this node's conntrack has not seen the connection begin, so
 * the first segment may well go against the direction in which it was opened. It passes when policy allows the
 * connection it answers; otherwise `regular` decides as for any packet.
 *
 * Every chain here is left for good by goto, so that nothing has to be remembered in the packet mark.
 *
 * @param direction of the policies asked: opposite to the one in which the segment goes
 */
export function renderReply(
  endpointChain: string,
  tiers: readonly AppliedTier[],
  direction: Direction,
  sets: (chain: string) => RuleSets,
  settings: PolicySettings,
  regular: string,
): Chain[] {
  const enforced = tiers
    .map(({ tier, policies }) => ({ tier, policies: policies.filter(({ staged }) => !staged) }))
    .filter(({ policies }) => policies.length > 0);
  const name = (index: number) => hashed("reply", `${endpointChain} ${index}`);
  const chains = enforced.map(({ tier, policies }, index): Chain => {
    const next = name(index + 1);
    const outcome = { Allow: accept, Deny: goto(regular), Pass: goto(next) };
    const rules = policies
      .flatMap((policy) => policy[direction])
      .flatMap((rule): Rule[] => {
        const { action } = rule;
        if (action === "Log") return [];
        return renderMatches(rule, sets(name(index)), { settings, reverse: true }).map((matches) => [
          ...matches,
          outcome[action],
        ]);
      });
    return {
      name: name(index),
      comment: comment(`${endpointChain}/answers/${tier.name}`),
      rules: [...rules, [outcome[tier.defaultAction]]],
    };
  });
  return [
    ...chains,
    { name: name(enforced.length), comment: comment(`${endpointChain}/answers`), rules: [[accept]] },
  ];
}

/** The first chain `renderReply` makes. */
export const firstReply = (endpointChain: string): string => hashed("reply", `${endpointChain} 0`);
