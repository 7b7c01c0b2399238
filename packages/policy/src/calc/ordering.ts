import { builtInTiers } from "@fairlead/api";
import type { PolicyModel, TierModel } from "../model/policy.ts";
import type { AppliedTier } from "./evaluate.ts";

/** Policies by tier, both in the order in which they are asked: by order, equal orders by name. */
export function applyOrder(
  policies: Iterable<PolicyModel>,
  tierOf: (name: string) => TierModel,
): AppliedTier[] {
  const byTier = new Map<string, PolicyModel[]>();
  for (const policy of policies) {
    const list = byTier.get(policy.tier);
    if (list === undefined) byTier.set(policy.tier, [policy]);
    else list.push(policy);
  }
  return [...byTier]
    .map(([name, list]) => ({ tier: tierOf(name), policies: list.sort(before) }))
    .sort((a, b) => byOrder(a.tier.order, b.tier.order) || byName(a.tier.name, b.tier.name));
}

function before(a: PolicyModel, b: PolicyModel): number {
  return byOrder(a.order, b.order) || byName(nameOf(a), nameOf(b)) || byName(a.key, b.key);
}

/** Kinds differ in their first part; the name is what people see. */
const nameOf = ({ key }: PolicyModel) => key.slice(key.lastIndexOf("/") + 1);

const byOrder = (a: number, b: number) => (a === b ? 0 : a - b);
const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Tiers that no object describes: the built-in ones, and a policy's unknown tier, which is asked last and denies. */
export function tierWithoutObject(name: string): TierModel {
  const known = Object.hasOwn(builtInTiers, name)
    ? builtInTiers[name as keyof typeof builtInTiers]
    : undefined;
  return {
    name,
    order: known?.order ?? Number.POSITIVE_INFINITY,
    defaultAction: known?.defaultAction ?? "Deny",
  };
}
