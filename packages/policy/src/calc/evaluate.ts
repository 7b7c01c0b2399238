import type { Direction, PolicyModel, TierModel } from "../model/policy.ts";
import type { Explanation, Step } from "../packet.ts";
import { type ReadPacket, ruleMatches } from "./match.ts";
import type { MemberSets } from "./member-sets.ts";

/** The policies of one endpoint in one direction, tiers and policies in the order in which they are asked. */
export interface AppliedTier {
  readonly tier: TierModel;
  readonly policies: readonly PolicyModel[];
}

/** What tiers decided; `undefined` when all of them passed the packet on. */
export interface TierOutcome {
  readonly verdict: Explanation["verdict"] | undefined;
  readonly path: readonly Step[];
}

/**
 * Tier by tier, policy by policy, rule by rule: Allow and Deny decide, Pass goes to the next tier, Log only notes. A tier in which a
 * policy applied and nothing matched ends with its default action, or passes if tiers are `open`.
 */
export function evaluateTiers(
  tiers: readonly AppliedTier[],
  direction: Direction,
  packet: ReadPacket,
  sets: MemberSets,
  { open = false }: { readonly open?: boolean } = {},
): TierOutcome {
  const path: Step[] = [];
  for (const { tier, policies } of tiers) {
    const ending: TierModel = open ? { ...tier, defaultAction: "Pass" } : tier;
    const action = evaluateTier(ending, policies, direction, packet, sets, path);
    if (action === "Allow") return { verdict: "allow", path };
    if (action === "Deny") return { verdict: "deny", path };
  }
  return { verdict: undefined, path };
}

function evaluateTier(
  tier: TierModel,
  policies: readonly PolicyModel[],
  direction: Direction,
  packet: ReadPacket,
  sets: MemberSets,
  path: Step[],
): "Allow" | "Deny" | "Pass" {
  let enforced = false;
  for (const policy of policies) {
    if (policy.staged) continue;
    enforced = true;
    for (const [index, rule] of policy[direction].entries()) {
      if (!ruleMatches(rule, packet, sets)) continue;
      path.push({ at: "rule", tier: tier.name, policy: policy.key, rule: index, action: rule.action });
      if (rule.action !== "Log") return rule.action;
    }
  }
  if (!enforced) return "Pass";
  path.push({ at: "tier", tier: tier.name, action: tier.defaultAction });
  return tier.defaultAction;
}
