import { compileSelector, type Labels } from "@fairlead/api";
import {
  type Address,
  type Cidr,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  networkOf,
  parseAddress,
  parseCidr,
} from "./address.ts";
import { type BlockGeometry, blockGeometry, blockSizes } from "./block-geometry.ts";
import { IpamError } from "./errors.ts";
import type { Family, IPAMBlock, IPPool, PoolUse } from "./resources.ts";

export const poolDefaults = {
  vxlanMode: "Never",
  ipipMode: "Never",
  natOutgoing: false,
  disabled: false,
  disableBGPExport: false,
  nodeSelector: "all()",
  namespaceSelector: "",
  allowedUses: ["Workload", "Tunnel"] as readonly PoolUse[],
  assignmentMode: "Automatic",
} as const;

/** A valid IPPool, decoded once. */
export interface Pool {
  readonly name: string;
  readonly network: Cidr;
  readonly cidr: string;
  readonly family: Family;
  readonly blockSize: number;
  /** Gives out addresses: enabled, not being deleted, not refused by its status. */
  readonly allocatable: boolean;
  readonly automatic: boolean;
  readonly uses: ReadonlySet<PoolUse>;
  selectsNode(labels: Labels): boolean;
  selectsNamespace(labels: Labels): boolean;
}

/**
 * Checks every field of a pool and fills in the defaults.
 * @throws IpamError PoolInvalid, naming pool and field
 */
export function decodePool({ metadata, spec, status }: IPPool): Pool {
  const wrong = (field: string, message: string, cause?: unknown) =>
    new IpamError("PoolInvalid", message, {
      object: `IPPool ${metadata.name}`,
      field: `spec.${field}`,
      cause,
    });
  const parsed = typeof spec?.cidr === "string" ? parseCidr(spec.cidr) : undefined;
  if (!parsed) throw wrong("cidr", `${JSON.stringify(spec?.cidr)} is not a CIDR`);
  const network = networkOf(parsed);
  if (network.value !== parsed.value)
    throw wrong("cidr", `${spec.cidr} has host bits set; write ${formatCidr(network)}`);
  const family = network.family;
  const sizes = blockSizes[family];
  const blockSize = spec.blockSize ?? Math.max(sizes.default, network.prefixLength);
  if (!Number.isInteger(blockSize) || blockSize < sizes.min || blockSize > sizes.max)
    throw wrong("blockSize", `${blockSize} is not between ${sizes.min} and ${sizes.max} (IPv${family})`);
  if (blockSize < network.prefixLength)
    throw wrong("blockSize", `a /${blockSize} block is larger than the pool ${spec.cidr}`);
  const tunnels = { ipipMode: spec.ipipMode ?? "Never", vxlanMode: spec.vxlanMode ?? "Never" };
  for (const [field, mode] of Object.entries(tunnels))
    if (!["Never", "Always", "CrossSubnet"].includes(mode))
      throw wrong(field, `"${mode}" is not Never, Always or CrossSubnet`);
  if (family === 6 && tunnels.ipipMode !== "Never") throw wrong("ipipMode", "must be Never in an IPv6 pool");
  if (tunnels.ipipMode !== "Never" && tunnels.vxlanMode !== "Never")
    throw wrong("vxlanMode", "cannot be combined with IPIP");
  const uses = spec.allowedUses ?? poolDefaults.allowedUses;
  if (!Array.isArray(uses)) throw wrong("allowedUses", "is not a list");
  for (const [i, use] of uses.entries())
    if (!["Workload", "Tunnel", "LoadBalancer"].includes(use))
      throw wrong(`allowedUses[${i}]`, `"${use}" is not Workload, Tunnel or LoadBalancer`);
  if (uses.includes("LoadBalancer") && (tunnels.ipipMode !== "Never" || tunnels.vxlanMode !== "Never"))
    throw wrong("allowedUses", "LoadBalancer cannot be combined with IPIP or VXLAN");
  const mode = spec.assignmentMode ?? poolDefaults.assignmentMode;
  if (mode !== "Automatic" && mode !== "Manual")
    throw wrong("assignmentMode", `"${mode}" is not Automatic or Manual`);
  const select = (field: "nodeSelector" | "namespaceSelector") => {
    if (typeof (spec[field] ?? "") !== "string") throw wrong(field, "is not a text");
    try {
      return compileSelector(spec[field] || "all()");
    } catch (cause) {
      throw wrong(field, cause instanceof Error ? cause.message : String(cause), cause);
    }
  };
  const refused =
    status?.conditions?.some(({ type, status }) => type === "Allocatable" && status === "False") ?? false;
  return {
    name: metadata.name,
    network,
    cidr: formatCidr(network),
    family,
    blockSize,
    allocatable: !spec.disabled && !metadata.deletionTimestamp && !refused,
    automatic: mode === "Automatic",
    uses: new Set(uses),
    selectsNode: select("nodeSelector"),
    selectsNamespace: select("namespaceSelector"),
  };
}

/**
 * Rejects a new or changed pool that cannot stand beside what exists: overlap with another pool, a changed CIDR or block size, or
 * blocks of another size inside it.
 * @throws IpamError PoolInvalid
 */
export function checkPoolFits(
  pool: Pool,
  existing: { readonly pools: readonly Pool[]; readonly blocks: readonly IPAMBlock[] },
): void {
  const wrong = (field: string, message: string) =>
    new IpamError("PoolInvalid", message, { object: `IPPool ${pool.name}`, field: `spec.${field}` });
  for (const other of existing.pools) {
    if (other.name === pool.name) {
      if (other.cidr !== pool.cidr)
        throw wrong("cidr", `cannot be changed from ${other.cidr} to ${pool.cidr}`);
      if (other.blockSize !== pool.blockSize)
        throw wrong("blockSize", `cannot be changed from ${other.blockSize} to ${pool.blockSize}`);
    } else if (cidrsOverlap(other.network, pool.network))
      throw wrong("cidr", `${pool.cidr} overlaps IPPool ${other.name} (${other.cidr})`);
  }
  for (const block of existing.blocks) {
    const network = parseCidr(block.spec.cidr);
    if (network && cidrsOverlap(network, pool.network) && network.prefixLength !== pool.blockSize)
      throw wrong(
        "blockSize",
        `IPPool blocksSize conflicts with existing allocations that use a different blockSize: block ${block.spec.cidr}`,
      );
  }
}

export interface PoolRequest {
  readonly family: Family;
  readonly use: PoolUse;
  readonly node: string;
  readonly nodeLabels: Labels;
  /** Absent: namespace selectors other than "all" do not match. */
  readonly namespaceLabels: Labels;
  /** Pools by name or CIDR. Selectors and Manual mode do not apply to these. */
  readonly pools?: readonly string[] | undefined;
}

/**
 * The pools a request may take addresses from, in their order.
 * @throws IpamError NoPools, NoQualifiedPool, PoolNotFound
 */
export function selectPools(pools: readonly Pool[], request: PoolRequest): readonly Pool[] {
  const { family, node } = request;
  const ofFamily = pools.filter((pool) => pool.family === family && pool.allocatable);
  const named = request.pools?.length
    ? request.pools.map((name) => findPool(pools, name, family))
    : undefined;
  if (!named && ofFamily.length === 0)
    throw new IpamError("NoPools", `no configured Calico pools for node ${node} (IPv${family})`);
  const qualified =
    named ??
    ofFamily.filter(
      (pool) =>
        pool.automatic &&
        pool.selectsNode(request.nodeLabels) &&
        pool.selectsNamespace(request.namespaceLabels),
    );
  if (qualified.length === 0)
    throw new IpamError("NoQualifiedPool", `cannot find a qualified ippool for node ${node} (IPv${family})`);
  const usable = qualified.filter((pool) => pool.uses.has(request.use));
  if (usable.length === 0)
    throw new IpamError(
      "NoQualifiedPool",
      `no pools match the required use (${request.use}) for node ${node}`,
    );
  return usable;
}

function findPool(pools: readonly Pool[], name: string, family: Family): Pool {
  const where = { object: `IPPool ${name}`, field: `pools[${family}]` };
  const cidr = parseCidr(name);
  if (cidr && cidr.family !== family)
    throw new IpamError("PoolNotFound", `${name} is not an IPv${family} pool`, where);
  if (!cidr && parseAddress(name))
    throw new IpamError("PoolNotFound", `${name} is an address, not a pool`, where);
  const text = cidr ? formatCidr(cidr) : undefined;
  const pool = pools.find((pool) => (text ? pool.cidr === text : pool.name === name));
  if (!pool?.allocatable || pool.family !== family)
    throw new IpamError("PoolNotFound", `the given pool (${name}) does not exist, or is not enabled`, where);
  return pool;
}

/** Membership tests of pools named by name or CIDR, whether enabled or not; names of pools that do not exist are left out. */
export function findNamedPools(
  pools: readonly Pool[],
  names: readonly string[],
): ((address: Address) => boolean)[] {
  return names.flatMap((name) => {
    const network = parseCidr(name) ?? pools.find((pool) => pool.name === name)?.network;
    return network ? [(address: Address) => cidrContains(networkOf(network), address)] : [];
  });
}

/** The pool an address or block lies in. */
export const poolOf = (
  pools: readonly Pool[],
  network: Parameters<typeof cidrContains>[1],
): Pool | undefined => pools.find((pool) => cidrContains(pool.network, network));

const blockCount = (pool: Pool): bigint =>
  cidrSize(pool.network) / cidrSize({ ...pool.network, prefixLength: pool.blockSize });

/** The block of a pool that contains an address value. */
export function blockAround(pool: Pool, value: bigint): BlockGeometry {
  return blockGeometry(formatCidr(networkOf({ family: pool.family, value, prefixLength: pool.blockSize })))!;
}

/**
 * All blocks of a pool, once, from a start that depends on the node, so that nodes rarely try the same one. Lazy: an IPv6 pool has
 * more blocks than anybody counts.
 */
export function* candidateBlocks(pool: Pool, seed: string): Generator<BlockGeometry> {
  const count = blockCount(pool);
  const size = cidrSize({ ...pool.network, prefixLength: pool.blockSize });
  const start = BigInt(startHash(seed)) % count;
  for (let i = 0n; i < count; i++)
    yield blockGeometry(
      formatCidr({
        family: pool.family,
        value: pool.network.value + ((start + i) % count) * size,
        prefixLength: pool.blockSize,
      }),
    )!;
}

/** Where a node starts to look in a pool: FNV-1a, mixed so that names that differ in one digit start far apart. */
export function startHash(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
