import type { WorkloadRequest } from "@fairlead/ipam";
import type { AddressWishes } from "./annotations.ts";
import type { CniComponents } from "./components.ts";

type Families = WorkloadRequest["families"];
const both = [4, 6] as const;

/**
 * The address families of a pod. What annotations or the network configuration say is binding: a pool that is missing or exhausted then fails the
 * ADD. Where they are silent the families follow the enabled pools, so that a cluster with pools of one family needs no setting, and a
 * pool that comes later takes effect at once. Whether a pool has addresses left plays no part: no pod loses a family silently.
 */
export async function chooseFamilies(
  { poolFamilies }: Pick<CniComponents, "poolFamilies">,
  { ipv4, ipv6, ipv4Pools, ipv6Pools }: AddressWishes,
): Promise<Pick<WorkloadRequest, "families" | "familiesAreImplied">> {
  // Naming a pool is asking for its family.
  const said = {
    4: ipv4 ?? (ipv4Pools.length > 0 || undefined),
    6: ipv6 ?? (ipv6Pools.length > 0 || undefined),
  };
  const silent = both.filter((family) => said[family] === undefined);
  if (silent.length === 0) return { families: both.filter((family) => said[family]) };
  const offered = await poolFamilies();
  const families: Families = both.filter((family) => said[family] ?? offered.has(family));
  // Without any pool the address manager says best what is missing.
  return { families: families.length > 0 ? families : silent, familiesAreImplied: true };
}
