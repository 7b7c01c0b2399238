import type { AppliedTier } from "../calc/evaluate.ts";
import type { Direction, PolicyModel } from "../model/policy.ts";
import type { Chain, Rule } from "../ruleset/ruleset.ts";
import { drop, jump, leave } from "../ruleset/statement.ts";
import { host32 } from "../ruleset/value.ts";
import type { PolicySettings } from "../settings.ts";
import { comment, hashed } from "./names.ts";
import { passMark, type RenderOptions, type RuleSets, renderRule } from "./rule.ts";

/** Name of the chain of a policy in one direction; the same on every node and after every restart. */
export function policyChain(policyKey: string, direction: Direction): string {
  return hashed(direction, policyKey);
}

export function renderPolicy(
  policy: PolicyModel,
  direction: Direction,
  sets: RuleSets,
  options: RenderOptions,
): Chain {
  return {
    name: policyChain(policy.key, direction),
    comment: comment(policy.key),
    rules: policy[direction].flatMap((rule) =>
      renderRule(rule, sets, { ...options, untracked: policy.doNotTrack }),
    ),
  };
}

/** Rules of an endpoint, and the chains of its own they need. */
export interface RenderedTiers {
  readonly rules: Rule[];
  readonly chains: Chain[];
}

/**
 * The tiers of an endpoint in one direction. A tier in which something passes has a chain of its own, which is left when the pass mark
 * is set; the others need no more than jumps. An `open` tier has no end: what matches nothing goes on.
 */
export function renderTiers(
  endpointChain: string,
  tiers: readonly AppliedTier[],
  direction: Direction,
  settings: PolicySettings,
  { open = false }: { readonly open?: boolean } = {},
): RenderedTiers {
  const rules: Rule[] = [];
  const chains: Chain[] = [];
  for (const { tier, policies } of tiers) {
    const enforced = policies.filter((policy) => !policy.staged);
    if (enforced.length === 0) continue;
    const jumps = enforced.map((policy): [PolicyModel, Rule] => [
      policy,
      [jump(policyChain(policy.key, direction))],
    ]);
    const end: Rule[] = !open && tier.defaultAction === "Deny" ? [denied(settings)] : [];
    if (!enforced.some((policy) => passes(policy, direction))) {
      rules.push(...jumps.map(([, rule]) => rule), ...end);
      continue;
    }
    const name = hashed("tier", `${endpointChain} ${tier.name}`);
    chains.push({
      name,
      comment: comment(`${endpointChain}/${tier.name}`),
      rules: [
        clearMark(settings),
        ...jumps.flatMap(([policy, rule]) =>
          passes(policy, direction) ? [rule, leaveIfPassed(settings)] : [rule],
        ),
        ...end,
      ],
    });
    rules.push([jump(name)]);
  }
  return { rules, chains };
}

export function denied(settings: PolicySettings): Rule {
  return [settings.denyAction === "Reject" ? { is: "reject" } : drop];
}

function passes(policy: PolicyModel, direction: Direction): boolean {
  return policy[direction].some((rule) => rule.action === "Pass");
}

function clearMark(settings: PolicySettings): Rule {
  return [{ is: "mark", mask: passMark(settings), value: 0 }];
}

/** Leaves the mark clean for whoever comes after us. */
function leaveIfPassed(settings: PolicySettings): Rule {
  const bit = passMark(settings);
  return [
    { is: "mask", field: "mark", mask: host32(bit), op: "==", value: host32(bit) },
    { is: "mark", mask: bit, value: 0 },
    leave,
  ];
}
