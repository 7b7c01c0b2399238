import { type ClusterView, kinds } from "@fairlead/api";
import { decodePool, type Family, type IPPool } from "@fairlead/ipam";

/** How long an ADD waits for the agent to know the pools, milliseconds. */
const patience = 30_000;

/** Families that pods may get without anybody saying so: those of pools that give addresses to workloads by themselves. */
export function familiesOf(pools: readonly IPPool[]): ReadonlySet<Family> {
  return new Set(
    pools.flatMap((object) => {
      try {
        const { allocatable, automatic, uses, family } = decodePool(object);
        return allocatable && automatic && uses.has("Workload") ? [family] : [];
      } catch {
        // A pool that makes no sense gives no addresses; the address manager reports it.
        return [];
      }
    }),
  );
}

/** The same of the pools as they are now. Rejects when they are not known in time. */
export async function poolFamilies(view: Pick<ClusterView, "list" | "synced">): Promise<ReadonlySet<Family>> {
  await view.synced(AbortSignal.timeout(patience));
  return familiesOf(view.list(kinds.IPPool));
}
