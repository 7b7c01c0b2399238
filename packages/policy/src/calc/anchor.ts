import type { Selector } from "@fairlead/api";
import { labelKeys } from "../model/member-set.ts";

/** A label that whatever a selector selects must carry; without `value`, with any value. */
export interface Anchor {
  readonly key: string;
  readonly value?: string;
}

/**
 * Labels of which everything the selector selects carries at least one, so that candidates can be looked up instead of
 * searched for. `undefined` when the selector says nothing of the kind.
 */
export function anchorsOf(selector: Selector): readonly Anchor[] | undefined {
  switch (selector.type) {
    case "equals":
      return [{ key: selector.key, value: selector.value }];
    case "in":
      return selector.values.map((value) => ({ key: selector.key, value }));
    case "has":
    case "contains":
    case "startsWith":
    case "endsWith":
      return [{ key: selector.key }];
    case "and":
      return selector.operands
        .map(anchorsOf)
        .filter((anchors) => anchors !== undefined)
        .sort((a, b) => breadth(a) - breadth(b))[0];
    case "or": {
      const parts = selector.operands.map(anchorsOf);
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    default:
      return undefined;
  }
}

/** A guess at how much an anchor selects: a label of its own least, being a pod at all most. */
function breadth(anchors: readonly Anchor[]): number {
  return anchors.reduce((sum, anchor) => sum + weigh(anchor), 0);
}

function weigh({ key, value }: Anchor): number {
  if (key === labelKeys.orchestrator) return 1000;
  if (value === undefined) return 500;
  if (key === labelKeys.namespace) return 10;
  return key.startsWith("pcns.") ? 50 : 1;
}
