import type { Installation, IPPool } from "@fairlead/api";

/** The label of pools that come from the Installation. */
export const managedLabel = { "app.kubernetes.io/managed-by": "fairlead-cluster" } as const;

/** A pool as the Installation wants it. */
export interface WantedPool {
  readonly name: string;
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

/** The pools of an Installation. The first unnamed one of a family has the family's default name. */
export function wantedPools(installation: Installation): readonly WantedPool[] {
  const taken = new Set<string>();
  return (installation.spec.calicoNetwork?.ipPools ?? []).map((pool) => {
    const name = pool.name ?? nameOf(pool.cidr, taken);
    taken.add(name);
    return { name, spec: specOf(pool) };
  });
}

function nameOf(cidr: string, taken: ReadonlySet<string>): string {
  const usual = `default-ipv${cidr.includes(":") ? 6 : 4}-ippool`;
  return taken.has(usual) ? cidr.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-") : usual;
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
  | { readonly type: "impossible"; readonly pool: IPPool; readonly fields: readonly string[] };

const fixedFields = ["cidr", "blockSize"];

/**
 * Compares. Pools that nobody declared in the Installation and that do not carry our label are left alone.
 *
 * `wasApplied`: whether the pool was already made for this Installation; a difference then means that somebody changed the pool.
 */
export function planPools(
  wanted: readonly WantedPool[],
  present: readonly IPPool[],
  wasApplied: (pool: IPPool) => boolean,
): readonly PoolChange[] {
  const changes: PoolChange[] = [];
  for (const pool of wanted) {
    const before = present.find(({ metadata }) => metadata.name === pool.name);
    if (!before) changes.push({ type: "create", pool });
    else changes.push(...compare(pool, before, wasApplied(before)));
  }
  const names = new Set(wanted.map(({ name }) => name));
  for (const pool of present)
    if (isManaged(pool) && !names.has(pool.metadata.name)) changes.push({ type: "delete", pool });
  return changes;
}

const isManaged = ({ metadata }: IPPool) =>
  Object.entries(managedLabel).every(([key, value]) => metadata.labels?.[key] === value);

function compare(wanted: WantedPool, before: IPPool, wasApplied: boolean): readonly PoolChange[] {
  const spec: Readonly<Record<string, unknown>> = before.spec;
  const fields = Object.entries(wanted.spec)
    .filter(([field, value]) => JSON.stringify(spec[field]) !== JSON.stringify(value))
    .map(([field]) => field);
  const fixed = fields.filter((field) => fixedFields.includes(field));
  if (fixed.length > 0) return [{ type: "impossible", pool: before, fields: fixed }];
  if (fields.length === 0 && isManaged(before)) return [];
  const metadata = { ...before.metadata, labels: { ...before.metadata.labels, ...managedLabel } };
  const pool: IPPool = { ...before, metadata, spec: { ...before.spec, ...wanted.spec } };
  return [{ type: "replace", pool, before, fields, wasEdited: wasApplied && fields.length > 0 }];
}
