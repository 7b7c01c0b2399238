import type { Selector } from "@fairlead/api";

/** A label that whatever a selector selects must carry; without `value`, with any value. */
export interface Anchor {
  readonly key: string;
  readonly value?: string;
}

/** What an anchor costs: how many there may be to look at. `undefined` when it cannot be looked up at all. */
export type AnchorCost = (anchor: Anchor) => number | undefined;

/**
 * Labels of which everything the selector selects carries at least one, so that candidates can be looked up instead of
 * searched for; of several possibilities the cheapest. `undefined` when the selector says nothing of the kind.
 */
export function anchorsOf(selector: Selector, cost: AnchorCost): readonly Anchor[] | undefined {
  return cheapest(selector, cost)?.anchors;
}

interface Choice {
  readonly anchors: readonly Anchor[];
  readonly cost: number;
}

function cheapest(selector: Selector, cost: AnchorCost): Choice | undefined {
  switch (selector.type) {
    case "equals":
      return choice([{ key: selector.key, value: selector.value }], cost);
    case "in":
      return choice(
        [...new Set(selector.values)].map((value) => ({ key: selector.key, value })),
        cost,
      );
    case "has":
    case "contains":
    case "startsWith":
    case "endsWith":
      return choice([{ key: selector.key }], cost);
    case "and":
      return selector.operands
        .map((operand) => cheapest(operand, cost))
        .filter((each) => each !== undefined)
        .sort((a, b) => a.cost - b.cost)[0];
    case "or": {
      const parts = selector.operands.map((operand) => cheapest(operand, cost));
      return parts.every((part) => part !== undefined) ? together(parts) : undefined;
    }
    default:
      return undefined;
  }
}

function choice(anchors: readonly Anchor[], cost: AnchorCost): Choice | undefined {
  const costs = anchors.map(cost);
  if (!costs.every((each) => each !== undefined)) return undefined;
  return { anchors, cost: costs.reduce((sum, each) => sum + each, 0) };
}

function together(parts: readonly Choice[]): Choice {
  return {
    anchors: parts.flatMap(({ anchors }) => anchors),
    cost: parts.reduce((sum, each) => sum + each.cost, 0),
  };
}
