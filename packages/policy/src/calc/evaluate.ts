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
 * policy applied and nothing matched ends with its default action, or passes if tiers are `open`. `staged` asks what would be if staged
 * policies were in force.
 */
export function evaluateTiers(
  tiers: readonly AppliedTier[],
  direction: Direction,
  packet: ReadPacket,
  sets: MemberSets,
  { open = false, staged = false }: { readonly open?: boolean; readonly staged?: boolean } = {},
): TierOutcome {
  const path: Step[] = [];
  for (const { tier, policies } of tiers) {
    const ending: TierModel = open ? { ...tier, defaultAction: "Pass" } : tier;
    const action = evaluateTier(ending, inForce(policies, staged), direction, packet, sets, path);
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
  for (const policy of policies) {
    for (const [index, rule] of policy[direction].entries()) {
      if (!ruleMatches(rule, packet, sets)) continue;
      path.push({ at: "rule", tier: tier.name, policy: policy.key, rule: index, action: rule.action });
      if (rule.action !== "Log") return rule.action;
    }
  }
  if (policies.length === 0) return "Pass";
  path.push({ at: "tier", tier: tier.name, action: tier.defaultAction });
  return tier.defaultAction;
}

/** A staged policy that is put in force takes the place of the policy of its name, or only takes it away. */
function inForce(policies: readonly PolicyModel[], staged: boolean): readonly PolicyModel[] {
  if (!staged) return policies.filter((policy) => !policy.staged);
  const replaced = new Set(
    policies.filter((policy) => policy.staged).map(({ key }) => key.slice("Staged".length)),
  );
  return policies.filter((policy) => policy.staged !== "Delete" && !replaced.has(policy.key));
}
