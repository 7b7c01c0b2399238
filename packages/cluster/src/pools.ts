import { type Installation, type IPPool, problemsOf } from "@fairlead/api";
import { decodePool } from "@fairlead/ipam";

/** The label of pools that come from the Installation. */
export const managedLabel = { "app.kubernetes.io/managed-by": "fairlead-cluster" } as const;

/** A pool as the Installation wants it. */
export interface WantedPool {
  readonly name: string;
  /** Whether the Installation gives the name; otherwise it comes from family and CIDR. */
  readonly isNamed: boolean;
  /** Only what the Installation decides. */
  readonly spec: Readonly<Partial<IPPool["spec"]> & { cidr: string }>;
}

type InstallationPool = NonNullable<NonNullable<Installation["spec"]["calicoNetwork"]>["ipPools"]>[number];

const encapsulations = {
  None: { ipipMode: "Never", vxlanMode: "Never" },
  IPIP: { ipipMode: "Always", vxlanMode: "Never" },
  IPIPCrossSubnet: { ipipMode: "CrossSubnet", vxlanMode: "Never" },
  VXLAN: { ipipMode: "Never", vxlanMode: "Always" },
  VXLANCrossSubnet: { ipipMode: "Never", vxlanMode: "CrossSubnet" },
} as const;

/**
 * The list of pools of an Installation that can be acted on. Undefined, and every pool stays as it is: there is no Installation, it is
 * being deleted, it cannot be read, or it has no list (`kubectl apply` of a manifest without one removes it).
 */
export function declaredPools(installation: Installation | undefined): readonly WantedPool[] | undefined {
  if (!installation || installation.metadata.deletionTimestamp) return undefined;
  if (problemsOf(installation).length > 0 || !Array.isArray(installation.spec?.calicoNetwork?.ipPools))
    return undefined;
  return wantedPools(installation);
}

/** The pools of an Installation. The first unnamed one of a family has the family's default name. */
export function wantedPools(installation: Installation): readonly WantedPool[] {
  const taken = new Set<string>();
  return (installation.spec.calicoNetwork?.ipPools ?? []).map((pool) => {
    const name = pool.name ?? nameOf(pool.cidr, taken);
    taken.add(name);
    return { name, isNamed: pool.name !== undefined, spec: specOf(pool) };
  });
}

/** Each character that a name cannot have becomes one dash, so that two CIDRs never share a name. */
function nameOf(cidr: string, taken: ReadonlySet<string>): string {
  const usual = `default-ipv${cidr.includes(":") ? 6 : 4}-ippool`;
  return taken.has(usual) ? cidr.toLowerCase().replaceAll(/[^a-z0-9]/g, "-") : usual;
}

function specOf(pool: InstallationPool): WantedPool["spec"] {
  return {
    cidr: pool.cidr,
    ...encapsulations[pool.encapsulation],
    natOutgoing: pool.natOutgoing === "Enabled",
    nodeSelector: pool.nodeSelector,
    disableBGPExport: pool.disableBGPExport,
    disabled: pool.disableNewAllocations,
    assignmentMode: pool.assignmentMode,
    ...(pool.namespaceSelector !== undefined && { namespaceSelector: pool.namespaceSelector }),
    ...(pool.blockSize !== undefined && { blockSize: pool.blockSize }),
    ...(pool.allowedUses !== undefined && { allowedUses: pool.allowedUses }),
  };
}

/** What must be done so that the pools are as wanted. */
export type PoolChange =
  | { readonly type: "create"; readonly pool: WantedPool }
  /** `fields`: what differed. `wasEdited`: it was ours already, so somebody changed it behind the Installation. */
  | {
      readonly type: "replace";
      readonly pool: IPPool;
      readonly before: IPPool;
      readonly fields: readonly string[];
      readonly wasEdited: boolean;
    }
  | { readonly type: "delete"; readonly pool: IPPool }
  /** CIDR and block size of a pool never change. */
  | { readonly type: "impossible"; readonly pool: IPPool; readonly fields: readonly string[] }
  /** A pool keeps its name, whatever the Installation calls it from now on. */
  | { readonly type: "renamed"; readonly pool: IPPool; readonly name: string }
  /** The Installation's entry is no pool. */
  | { readonly type: "refused"; readonly pool: WantedPool; readonly reason: string };

const fixedFields = ["cidr", "blockSize"];

/**
 * Compares. Pools that nobody declared in the Installation and that do not carry our label are left alone. One of ours goes only if every
 * entry of the list is in place: a mistyped entry is not a pool that left.
 *
 * `wasApplied`: whether the pool was already made for this Installation; a difference then means that somebody changed the pool.
 */
export function planPools(
  wanted: readonly WantedPool[],
  present: readonly IPPool[],
  wasApplied: (pool: IPPool) => boolean,
): readonly PoolChange[] {
  const changes: PoolChange[] = [];
  const matches = matchPools(wanted, present);
  for (const [pool, before] of matches) {
    const reason = reasonAgainst(pool);
    if (reason !== undefined) changes.push({ type: "refused", pool, reason });
    else if (!before) changes.push({ type: "create", pool });
    else changes.push(...compare(pool, before, wasApplied(before)));
  }
  if (changes.some(({ type }) => type === "refused" || type === "impossible")) return changes;
  const kept = new Set(matches.values());
  for (const pool of present) if (isManaged(pool) && !kept.has(pool)) changes.push({ type: "delete", pool });
  return changes;
}

/**
 * Which pool is meant by each entry: the one of that name and CIDR, else one of ours with the CIDR, else the one of the name. So an entry
 * that changes its place in the list, or its name, goes on to mean the pool it meant before.
 */
export function matchPools(
  wanted: readonly WantedPool[],
  present: readonly IPPool[],
): ReadonlyMap<WantedPool, IPPool | undefined> {
  const matches = new Map<WantedPool, IPPool | undefined>();
  const claimed = new Set<IPPool>();
  const hasName = (pool: WantedPool, other: IPPool) => other.metadata.name === pool.name;
  const hasCidr = (pool: WantedPool, other: IPPool) => sameCidr(pool.spec.cidr, other.spec?.cidr);
  const rules = [
    (pool: WantedPool, other: IPPool) => hasName(pool, other) && hasCidr(pool, other),
    (pool: WantedPool, other: IPPool) => isManaged(other) && hasCidr(pool, other),
    hasName,
  ];
  for (const means of rules)
    for (const pool of wanted) {
      if (matches.get(pool)) continue;
      const match = present.find((other) => !claimed.has(other) && means(pool, other));
      matches.set(pool, match);
      if (match) claimed.add(match);
    }
  return matches;
}

export const isManaged = ({ metadata }: IPPool): boolean =>
  Object.entries(managedLabel).every(([key, value]) => metadata.labels?.[key] === value);

function sameCidr(a: unknown, b: unknown): boolean {
  return a === b || (canonical(a) !== undefined && canonical(a) === canonical(b));
}

/** The one way to write a network; undefined for what is none. */
function canonical(cidr: unknown): string | undefined {
  try {
    return decodePool({ metadata: { name: "any" }, spec: { cidr: cidr as string } }).cidr;
  } catch {
    return undefined;
  }
}

function reasonAgainst({ name, spec }: WantedPool): string | undefined {
  try {
    decodePool({ metadata: { name }, spec });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function compare(wanted: WantedPool, before: IPPool, wasApplied: boolean): readonly PoolChange[] {
  // Where the incumbent's definition is in force, a pool may have no spec.
  const spec: Readonly<Record<string, unknown>> = before.spec ?? {};
  const fields = Object.entries(wanted.spec)
    .filter(([field, value]) => JSON.stringify(spec[field]) !== JSON.stringify(value))
    .map(([field]) => field)
    .filter((field) => field !== "cidr" || !sameCidr(spec.cidr, wanted.spec.cidr));
  const fixed = fields.filter((field) => fixedFields.includes(field));
  if (fixed.length > 0) return [{ type: "impossible", pool: before, fields: fixed }];
  const isRenamed = wanted.isNamed && wanted.name !== before.metadata.name;
  const changes: PoolChange[] = isRenamed ? [{ type: "renamed", pool: before, name: wanted.name }] : [];
  if (fields.length === 0 && isManaged(before)) return changes;
  const metadata = { ...before.metadata, labels: { ...before.metadata.labels, ...managedLabel } };
  const pool: IPPool = {
    ...before,
    metadata,
    spec: { ...before.spec, ...wanted.spec, cidr: before.spec.cidr },
  };
  changes.push({ type: "replace", pool, before, fields, wasEdited: wasApplied && fields.length > 0 });
  return changes;
}
