import { isIPv4 } from "node:net";
import type { Bird, RouteElsewhere } from "@fairlead/bgp";
import { type Attachment, asHostPrefix } from "@fairlead/cni";
import { deepestRank, defaultPriorities, type Priorities } from "@fairlead/routes";
import type { Rivals } from "./migration-components.ts";

export interface RivalsOptions {
  readonly bird: Pick<Bird, "routesElsewhere">;
  readonly priorities?: { readonly ipv4?: Priorities; readonly ipv6?: Priorities } | undefined;
  /** Whether the cluster knows another pod of the endpoint's VM, on another node, whose interface has not been taken away. */
  isWiredElsewhere(attachment: Attachment): boolean;
  /** BIRD did not answer. There may be rivals or not; the endpoint keeps what it has until BIRD can tell. */
  readonly onProblem: (error: unknown, attachment: Attachment) => void;
}

/** Milliseconds for BIRD to answer. */
const patience = 2_000;

/**
 * Who else attracts the traffic of an endpoint's guest. BIRD knows what other nodes announce. It does not know what they would announce
 * if ours were not better: a BIRD keeps a workload at rest to itself as long as it hears an elevated route, and a route reflector passes
 * on only the best. Such a route belongs to a pod whose agent has not taken it away, and then its DEL has not been served either; the
 * pod's annotations tell that.
 */
export function createRivals({ bird, priorities = {}, isWiredElsewhere, onProblem }: RivalsOptions): Rivals {
  /** Steps above the first elevated metric that are needed to be better than this route. */
  function rankAbove({ destination, metric }: RouteElsewhere): number {
    const isFour = isIPv4(destination.replace(/\/.*/, ""));
    const own = (isFour ? priorities.ipv4 : priorities.ipv6) ?? defaultPriorities;
    return Math.min(Math.max(0, own.elevated - metric + 1), deepestRank(own));
  }

  /** A BIRD that is away for long is reported once. */
  let isAway = false;

  /** Undefined: nobody can tell. */
  async function announced(attachment: Attachment): Promise<readonly RouteElsewhere[] | undefined> {
    try {
      const destinations = attachment.addresses.map(asHostPrefix);
      const found = await bird.routesElsewhere(destinations, AbortSignal.timeout(patience));
      isAway = false;
      return found;
    } catch (error) {
      if (!isAway) onProblem(error, attachment);
      isAway = true;
      return undefined;
    }
  }

  return {
    async look(attachment) {
      const others = await announced(attachment);
      return {
        rank: Math.max(0, ...(others ?? []).map(rankAbove)),
        isPresent: others === undefined || others.length > 0 || isWiredElsewhere(attachment),
      };
    },
  };
}
